"""What becomes of each layer type by each kind of strategy, beside stock tfmot.

`python -m benchmarks.coverage [LAYER ...]` trains a small classifier for each layer type, quantizes it by each
strategy, prints a table and writes it, row by row, to `docs/coverage.md`. One row takes about 10 s.
"""

import argparse
import contextlib
import io
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from benchmarks.coverage_cases import CASES, CLASSES, samples
from qatflow.artifacts import Array, save_arrays, stage_output
from qatflow.backend import keras, start
from qatflow.data.prepare import prepare_data
from qatflow.data.prepared import PreparedData, open_prepared
from qatflow.errors import ConversionError, QATFlowError
from qatflow.models.user_model import fit_to_task
from qatflow.params.data import DataParams
from qatflow.params.quantize import CorrectionParams, QatParams, QuantizeParams
from qatflow.quantization.run import Made, make
from qatflow.search.models import take_model
from qatflow.tflite.convert import COVERAGE, convert_full_integer
from qatflow.tflite.inspect import OPERATORS, TYPES
from qatflow.tflite.runtime import Runner

STRATEGIES = ("ptq_w8a8", "ptq_w4a8", "qat_w8a8_per_channel", "qat_w4a8", "qat_w8a16", "dynamic_range")
SETTINGS = QuantizeParams(
    corrections=CorrectionParams(adaround=False), training=QatParams(epochs=2, batch_size=50, learning_rate=5e-4)
)
PAGE = Path(__file__).parents[1] / "docs" / "coverage.md"
TITLE = """# What can be quantized

Written by `python -m benchmarks.coverage`: for each layer type a small classifier (3 classes, 600 samples, 6 epochs),
then each strategy; those that train take 2 more epochs. 4-bit weights are rounded to the nearest.

- *float*: accuracy of the float model on 1000 other samples.
- a strategy: on which share of these samples its flatbuffer picks the class that the float model picks; for those with
  fake-quants, behind it, the class that their fake-quant model picks, with rounding as on the device. QAT trains on, so
  that it may differ from the float model and be as good.
- *n float*: which operators compute in float; nothing said means all-integer. Of `dynamic_range` all do, between
  int8 weights and activations that are quantized as they come.
- *after training*: which layers QAT trains in float; the converter quantizes them.
- *stock tfmot*: what `quantize_model` of tensorflow_model_optimization does with the same model.

Ids that an Embedding reads stay float at the input and are cast: as int8 most would be other ids. Recurrent layers
are unrolled for training; after it, `ptq_w8a8` makes one operator of each plain LSTM, see `docs/quantization.md`.
*few weights*: TFLite leaves arrays of less than 1024 numbers in float, and `dynamic_range` is refused where nothing
else is left. Layers that are not taken at all are listed with what to do instead in `models/allowed.py`.
"""
HEAD = f"""| layer | float | {" | ".join(STRATEGIES)} | after training | stock tfmot |
| --- | ---: | {"--- | " * len(STRATEGIES)}--- | --- |"""


def main() -> None:
    """Measure and print rows, and put each in its place on the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("layer", nargs="*", help="only these rows")
    print(HEAD)
    for name in parser.parse_args().layer or CASES:
        with tempfile.TemporaryDirectory() as folder:
            row = _row(name, Path(folder))
        print(row, flush=True)
        PAGE.write_text(_with_row(PAGE.read_text(), row))


def _with_row(page: str, row: str) -> str:
    """Return the page with a row in place of an older one of its layer; rows of another form go."""
    rows = [line for line in (*page.splitlines(), row) if line.startswith("| ") and line.count("|") == row.count("|")]
    found = {line.split("|")[1].strip(): line for line in rows}
    return "\n".join([TITLE, HEAD, *(found[each] for each in CASES if each in found)]) + "\n"


def _row(name: str, folder: Path) -> str:
    shape, build = CASES[name]
    start(0)
    train = samples(shape, 600, 1)
    model = build()
    model.compile(keras.optimizers.Adam(5e-3), "sparse_categorical_crossentropy")
    model.fit(*train, batch_size=50, epochs=6, verbose=0)
    stock, data = _stock(model, train[0]), _prepared(train, samples(shape, 1000, 2), folder)
    try:
        taken = fit_to_task(take_model(model, folder), shape, CLASSES, "classification")
    except QATFlowError as error:
        return f"| {name} | | no: {_short(error)} |" + " |" * len(STRATEGIES) + f" {stock} |"
    x, y = data.test.arrays()
    before = taken.predict(x, verbose=0).argmax(1)
    cells, kinds = zip(*(_cell(strategy, taken, data, before) for strategy in STRATEGIES), strict=True)
    late = ", ".join(sorted(set().union(*kinds)))
    return f"| {name} | {np.mean(before == y):.3f} | {' | '.join(cells)} | {late} | {stock} |"


def _cell(strategy: str, model: keras.Model, data: PreparedData, before: Array) -> tuple[str, set[str]]:
    """Return what one strategy makes of a model, and which kinds of layers it trains in float."""
    x = data.test.arrays()[0]
    try:
        with warnings.catch_warnings(action="ignore"), contextlib.redirect_stderr(io.StringIO()):
            made = make(strategy, model, data, SETTINGS, seed=0)
        picked = Runner(made.flatbuffer).predict(x).argmax(1)
    except QATFlowError as error:
        return f"no: {_short(error)}", set()
    parts = [f"{np.mean(picked == before):.1%}"]
    if made.quantized.plan.outputs:
        parts[0] += f" / {np.mean(picked == made.model.predict(x, verbose=0).argmax(1)):.1%}"
    floats = _left_float(made.flatbuffer) if strategy != "dynamic_range" else ""
    parts += [f"{floats} float"] if floats else []
    return ", ".join(parts), _late(made)


def _prepared(train: tuple[Array, Array], test: tuple[Array, Array], folder: Path) -> PreparedData:
    """Prepare arrays as they are, (n, *shape) float32 and (n,) class ids."""
    named = zip(("x_train", "y_train", "x_test", "y_test"), (*train, *test), strict=True)
    save_arrays(folder / "data.npz", dict(named))
    with stage_output(folder / "prepared", "prepare") as out:
        prepare_data(DataParams(source="arrays", path=str(folder / "data.npz")), "none", 0, out)
    return open_prepared(folder / "prepared")


def _late(made: Made) -> set[str]:
    """Return which kinds of layers trained in float, from the notes "name (Kind): trains in float, …"."""
    return {note.partition("(")[2].partition(")")[0] for note in made.notes if "trains in float" in note}


def _left_float(flatbuffer: bytes) -> str:
    """Say which operators compute in float."""
    tree = schema.ModelT.InitFromPackedBuf(flatbuffer, 0)
    names = [OPERATORS[max(code.builtinCode, code.deprecatedBuiltinCode)] for code in tree.operatorCodes]
    found = set()
    for graph in tree.subgraphs:
        for operator in graph.operators:
            name = names[operator.opcodeIndex]
            read = {TYPES[graph.tensors[index].type] for index in operator.inputs if index >= 0}
            if "FLOAT32" in read and name != "QUANTIZE":
                found.add(name)
    return ", ".join(sorted(found))


def _stock(model: keras.Model, x: Array) -> str:
    from tensorflow_model_optimization.quantization.keras import quantize_model

    try:
        with warnings.catch_warnings(action="ignore"):
            converted = quantize_model(model)
    except Exception as error:  # noqa: BLE001 (whatever it raises is the result)
        return _short(error)
    try:
        with warnings.catch_warnings(action="ignore"):
            convert_full_integer(converted, x[:50])
    except ConversionError:
        return "builds, not full-integer"
    return "builds"


def _short(error: Any) -> str:
    text = " ".join(str(error).split()).replace("|", "/").removesuffix(f". {COVERAGE}")
    for known, words in WORDS.items():
        if known in text:
            return words
    return text[:120]


WORDS = {
    "was not passed to `quantize_annotate": "refuses the layer",
    "not supported. You can quantize this layer by passing": "refuses the layer",
    "inside another keras Model": "refuses a model inside",
    "more than once": "a layer is called twice",
    "TFLite made no INT8 weights": "few weights",
    "TFLite made no INT4 weights": "no 4-bit form",
    "Unsupported input type INT16": "no 16-bit form",
    "deserialization of a Lambda": "fails on a Lambda of its own",
    "Only some Keras activations": "refuses the activation",
    "not supported by Default8BitActivat": "refuses the activation",
    "The last dimension of the inputs": "loses the shape behind slices",
    "does not support item assignment": "cannot fold batch normalization beside slices",
}
"""Messages of stock tfmot and of ours, in a few words."""


if __name__ == "__main__":
    main()
