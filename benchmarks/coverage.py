"""What becomes of each layer type: QATFlow's quantization-aware training beside stock tfmot's.

`python -m benchmarks.coverage [LAYER ...]` trains a small classifier for each layer type, quantizes it both ways,
prints a table and, if no layer was named, writes `docs/coverage.md`. One row takes about 3 s.
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

from benchmarks.coverage_cases import CASES, samples
from qatflow.artifacts import Array, save_arrays, stage_output
from qatflow.backend import keras, start
from qatflow.data.prepare import prepare_data
from qatflow.data.prepared import PreparedData, open_prepared
from qatflow.errors import ConversionError, QATFlowError
from qatflow.params.data import DataParams
from qatflow.params.quantize import QatParams, QuantizeParams
from qatflow.quantization.run import Made, make
from qatflow.tflite.convert import convert_full_integer
from qatflow.tflite.inspect import OPERATORS, TYPES
from qatflow.tflite.runtime import Runner

STRATEGY = "qat_w8a8_per_channel"
SETTINGS = QuantizeParams(training=QatParams(epochs=2, batch_size=50, learning_rate=5e-4))
PAGE = Path(__file__).parents[1] / "docs" / "coverage.md"
TITLE = f"""# What can be quantized

Written by `python -m benchmarks.coverage`: for each layer type a small classifier (3 classes, 600 samples, 6 epochs),
then strategy `{STRATEGY}` with 2 more epochs.

- *quantized*: QAT, all weights trained on their grid; or which layers trained in float and were quantized by the
  converter.
- *full-integer*: whether all operators compute in integers, or which stay float.
- *parity*: share of 2000 other samples for which the flatbuffer picks the class that the fake-quant model picks, with
  rounding as on the device.
- *agreement*: the same against the float model, which did not train the 2 more epochs.
- *accuracy*: on these samples, of the float model and of the flatbuffer.
- *stock tfmot*: what `quantize_model` of tensorflow_model_optimization does with the same model.

Ids that an Embedding reads stay float at the input and are cast: as int8 most would be other ids. Recurrent layers
are unrolled.
"""
HEAD = """| layer | quantized | full-integer | parity | agreement | accuracy | stock tfmot |
| --- | --- | --- | ---: | ---: | --- | --- |"""


def main() -> None:
    """Measure and print the table; write the page if it is whole."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("layer", nargs="*", help="only these rows")
    chosen = parser.parse_args().layer
    rows = [HEAD]
    print(HEAD)
    for name in chosen or CASES:
        with tempfile.TemporaryDirectory() as folder:
            rows.append(_row(name, Path(folder)))
        print(rows[-1], flush=True)
    if not chosen:
        PAGE.write_text("\n".join([TITLE, *rows]) + "\n")


def _row(name: str, folder: Path) -> str:
    shape, build = CASES[name]
    start(0)
    train, (x, y) = samples(shape, 600, 1), samples(shape, 2000, 2)
    model = build()
    model.compile(keras.optimizers.Adam(5e-3), "sparse_categorical_crossentropy")
    model.fit(*train, batch_size=50, epochs=6, verbose=0)
    stock = _stock(model, train[0])
    try:
        with warnings.catch_warnings(action="ignore"), contextlib.redirect_stderr(io.StringIO()):
            made = make(STRATEGY, model, _prepared(train, (x, y), folder), SETTINGS, seed=0)
        picked = Runner(made.flatbuffer).predict(x).argmax(1)
    except QATFlowError as error:
        return f"| {name} | no: {_short(error)} | | | | | {stock} |"
    before, after = (each.predict(x, verbose=0).argmax(1) for each in (model, made.model))
    shares = f"{np.mean(picked == after):.2%} | {np.mean(picked == before):.2%}"
    accuracy = f"{np.mean(before == y):.3f}, {np.mean(picked == y):.3f}"
    return f"| {name} | {_way(made)} | {_left_float(made.flatbuffer)} | {shares} | {accuracy} | {stock} |"


def _prepared(train: tuple[Array, Array], test: tuple[Array, Array], folder: Path) -> PreparedData:
    """Prepare arrays as they are, (n, *shape) float32 and (n,) class ids."""
    named = zip(("x_train", "y_train", "x_test", "y_test"), (*train, *test), strict=True)
    save_arrays(folder / "data.npz", dict(named))
    with stage_output(folder / "prepared", "prepare") as out:
        prepare_data(DataParams(source="arrays", path=str(folder / "data.npz")), "none", 0, out)
    return open_prepared(folder / "prepared")


def _way(made: Made) -> str:
    """Say which kinds of layers trained in float, from the notes "name (Kind): trains in float, …"."""
    kinds = sorted({note.partition("(")[2].partition(")")[0] for note in made.notes if "trains in float" in note})
    return f"QAT, but {', '.join(kinds)} after training" if kinds else "QAT"


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
    return f"{', '.join(sorted(found))} stays float" if found else "yes"


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
    text = " ".join(str(error).split()).replace("|", "/")
    for known, words in WORDS.items():
        if known in text:
            return words
    return text[:80]


WORDS = {
    "was not passed to `quantize_annotate": "refuses the layer",
    "not supported. You can quantize this layer by passing": "refuses the layer",
    "inside another keras Model": "refuses a model inside",
    "more than once": "a layer is called twice",
    "deserialization of a Lambda": "fails on a Lambda of its own",
    "Only some Keras activations": "refuses the activation",
    "The last dimension of the inputs": "loses the shape behind slices",
    "does not support item assignment": "cannot fold batch normalization beside slices",
}
"""Messages of stock tfmot and of ours, in a few words."""


if __name__ == "__main__":
    main()
