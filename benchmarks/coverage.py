"""What becomes of each layer type: QATFlow's quantization-aware training beside stock tfmot's.

`python -m benchmarks.coverage [LAYER ...]` trains a small classifier for each layer type, quantizes it both ways,
prints a table and, if no layer was named, writes `docs/coverage.md`. One row takes about 3 s.
"""

import argparse
import contextlib
import io
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from benchmarks.coverage_cases import CASES, samples
from qatflow.artifacts import Array
from qatflow.backend import keras, start, tf
from qatflow.errors import ConversionError, QATFlowError
from qatflow.models.flatten import flatten
from qatflow.models.split import split
from qatflow.models.unroll import unroll
from qatflow.quantization import STRATEGIES
from qatflow.tflite.convert import convert_full_integer
from qatflow.tflite.inspect import OPERATORS, TYPES
from qatflow.tflite.runtime import Runner

STRATEGY = "qat_w8a8_per_channel"
PAGE = Path(__file__).parents[1] / "docs" / "coverage.md"
TITLE = f"""# What can be quantized

Written by `python -m benchmarks.coverage`: for each layer type a small classifier (3 classes, 600 samples, 6 epochs),
then strategy `{STRATEGY}` with 2 more epochs.

- *quantized*: QAT, trained with fake-quants at the layers that the strategy knows (the converter quantizes the others);
  or PTQ, quantized after training only, and why.
- *full-integer*: whether all operators compute in integers, or which stay float.
- *agreement*: share of 2000 other samples for which the flatbuffer picks the class that the model picked before
  conversion.
- *accuracy*: on these samples, of the float model and of the flatbuffer.
- *stock tfmot*: what `quantize_model` of tensorflow_model_optimization does with the same model.

Ids that an Embedding reads stay float at the input and are cast: as int8 most would be other ids. Recurrent layers
are unrolled.
"""
HEAD = """| layer | quantized | full-integer | agreement | accuracy | stock tfmot |
| --- | --- | --- | ---: | --- | --- |"""


class Quantized(NamedTuple):
    """What a strategy made: the model before conversion, how it was made, and the flatbuffer."""

    model: keras.Model
    way: str
    flatbuffer: bytes


def main() -> None:
    """Measure and print the table; write the page if it is whole."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("layer", nargs="*", help="only these rows")
    chosen = parser.parse_args().layer
    rows = [HEAD]
    print(HEAD)
    for name in chosen or CASES:
        rows.append(_row(name))
        print(rows[-1], flush=True)
    if not chosen:
        PAGE.write_text("\n".join([TITLE, *rows]) + "\n")


def _row(name: str) -> str:
    shape, build = CASES[name]
    start(0)
    train, (x, y) = samples(shape, 600, 1), samples(shape, 2000, 2)
    model = build()
    _fit(model, train, 6)
    stock = _stock(model, train[0])
    try:
        with warnings.catch_warnings(action="ignore"), contextlib.redirect_stderr(io.StringIO()):
            made = quantized(model, train)
        picked = Runner(made.flatbuffer).predict(x).argmax(1)
    except QATFlowError as error:
        return f"| {name} | no: {_short(error)} | | | | {stock} |"
    agreement = np.mean(picked == made.model.predict(x, verbose=0).argmax(1))
    before = np.mean(model.predict(x, verbose=0).argmax(1) == y)
    accuracy = f"{before:.3f}, {np.mean(picked == y):.3f}"
    return f"| {name} | {made.way} | {_left_float(made.flatbuffer)} | {agreement:.2%} | {accuracy} | {stock} |"


def quantized(model: keras.Model, train: tuple[Array, Array]) -> Quantized:
    """Quantize a model with `STRATEGY`; what fake-quants do not fit, after training."""
    flat = unroll(split(flatten(model)))
    strategy = STRATEGIES[STRATEGY]
    try:
        prepared = strategy.prepare(flat)
        way = "QAT"
        _fit(prepared, train, 2)
    except Exception as error:  # noqa: BLE001 (a row says so, whatever it is)
        prepared, way = flat, f"PTQ ({_short(error)})"
    try:
        return Quantized(prepared, way, strategy.convert(prepared, train[0][:200]))
    except ConversionError:
        return Quantized(prepared, way, _mixed(prepared, train[0][:200]))


def _fit(model: keras.Model, train: tuple[Array, Array], epochs: int) -> None:
    model.compile(keras.optimizers.Adam(5e-3 if epochs > 2 else 5e-4), "sparse_categorical_crossentropy")
    model.fit(*train, batch_size=50, epochs=epochs, verbose=0)


def _mixed(model: keras.Model, representative: Array) -> bytes:
    """Convert with float operators where TFLite has no integer ones, and with float input and output."""
    signature = [tf.TensorSpec((None, *model.inputs[0].shape[1:]), tf.float32, name="input")]
    serve = tf.function(lambda x: model(x, training=False), input_signature=signature)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([serve.get_concrete_function()], model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([sample[None]] for sample in representative)
    return bytes(converter.convert())


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
