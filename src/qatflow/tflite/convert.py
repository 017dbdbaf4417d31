"""Converts Keras models, float or fake-quant, to flatbuffers. Equal models give equal bytes."""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from qatflow.artifacts import Array
from qatflow.backend import ConverterError, keras, tf
from qatflow.errors import ConversionError
from qatflow.models.unroll import is_recurrent, loops, masks_steps, takes_ids, unroll
from qatflow.tflite.fixed_shapes import with_fixed_shapes
from qatflow.tflite.inspect import inventory
from qatflow.tflite.states import with_empty_states

FAILURES = (ConverterError, ValueError, RuntimeError, TypeError, tf.errors.OpError)
"""What the converter raises on models that it cannot express."""


WAYS_OUT = {
    "INT4": ", as it can of Conv1D, Conv2D and Dense only: use an 8-bit strategy",
    "INT8": ": it leaves arrays of less than 1024 numbers in float, unless activations are integers too (ptq_w8a8)",
}
"""What to do where a type of weights does not come out."""
COVERAGE = "docs/coverage.md says by which strategies each layer goes"


Configure = Callable[[Any], None]
"""Sets a converter up."""


def convert_float(model: keras.Model) -> bytes:
    """Return the model in float32 throughout.

    Raises:
        ConversionError: If TFLite has no operator for a layer.
    """
    return _smallest(model, lambda _: None)


def convert_float16(model: keras.Model) -> bytes:
    """Return the model with float16 weights; it computes in float32.

    Raises:
        ConversionError: If TFLite has no operator for a layer.
    """

    def configure(converter: Any) -> None:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_types = [tf.float16]

    return require(_smallest(model, configure), "FLOAT16")


def convert_dynamic_range(model: keras.Model) -> bytes:
    """Return the model with int8 weights and float32 activations that are quantized as they come.

    Raises:
        ConversionError: If no weights became int8; TFLite leaves arrays of less than 1024 numbers as they are.
    """

    def configure(converter: Any) -> None:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]

    return require(_smallest(model, configure), "INT8")


def convert_fused(model: keras.Model, representative: Iterable[Array]) -> bytes:
    """Return the model in integers, each LSTM one operator that keeps its state: reset it before each sample.

    Args:
        model: All of its recurrent layers are such that `unroll.is_one_operator`.
        representative: See `convert_integer`.

    Raises:
        ConversionError: If TFLite has no operator for a layer.
    """
    configure = _integer(list(representative), model, [tf.lite.OpsSet.TFLITE_BUILTINS_INT8])
    return require(_convert(model, configure, looped=True), "INT8")


def convert_integer(model: keras.Model, representative: Iterable[Array], weights: str | None = "INT8") -> bytes:
    """Return the model in integers, with int8 input and output; operators without an integer form stay float.

    Ranges come from the model's fake-quants where it has them, and elsewhere from the representative samples. A model
    that looks up its input in an embedding keeps a float input: whole numbers must stay whole.

    Args:
        model: Float or fake-quant.
        representative: Preprocessed samples, each (*shape) float32.
        weights: Type that some weights must have become: INT8 or INT4; None for a model without any.

    Raises:
        ConversionError: If TFLite has no operator for a layer, or no weights of that type come out.
    """
    held = list(representative)
    try:
        flatbuffer = _convert(model, _integer(held, model, [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]))
    except ConversionError:
        both = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8, tf.lite.OpsSet.TFLITE_BUILTINS]
        flatbuffer = _convert(model, _integer(held, model, both))
    return require(flatbuffer, weights) if weights else flatbuffer


def convert_full_integer(model: keras.Model, representative: Iterable[Array], weights: str = "INT8") -> bytes:
    """Return the model in integers throughout; see `convert_integer`.

    Raises:
        ConversionError: If TFLite has no operator for a layer, or anything stays float.
    """
    return require(convert_integer(model, representative, weights), weights, integer=True)


def convert_int16_activations(model: keras.Model, representative: Iterable[Array]) -> bytes:
    """Return the model with int8 weights and int16 activations, input and output (16x8).

    Raises:
        ConversionError: If TFLite has no operator for a layer, or no kernel for 16 bits.
    """
    sixteen = tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
    _check_16_bits(model)
    configure = _integer(list(representative), model, [sixteen, tf.lite.OpsSet.TFLITE_BUILTINS], tf.int16)
    try:
        # The converter divides by the scale of a first state that is no constant: one sample at a time makes it one.
        return require(_convert(model, configure, single=is_recurrent(model)), "INT8")
    except ConversionError as error:
        raise ConversionError(f"{error}. With 8-bit activations, as in ptq_w8a8, it may go") from None


def _check_16_bits(model: keras.Model) -> None:
    """Refuse what LiteRT fails on with 16-bit activations, or ends the whole process (an abort in its `invoke`)."""
    for part in model.submodules:
        if isinstance(part, keras.layers.LayerNormalization):
            raise ConversionError(
                f"LiteRT has no 16-bit kernel for '{part.name}' (LayerNormalization); use 8-bit activations, as in "
                "ptq_w8a8"
            )


def _integer(samples: Sequence[Array], model: keras.Model, operators: list[Any], ends: Any = tf.int8) -> Configure:
    def configure(converter: Any) -> None:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([sample[None]] for sample in samples)
        converter.target_spec.supported_ops = operators
        converter.inference_input_type = tf.float32 if takes_ids(model) else ends
        converter.inference_output_type = ends

    return configure


def require(flatbuffer: bytes, dtype: str, *, integer: bool = False) -> bytes:
    """Return the flatbuffer if it has constants of type `dtype`, and if so asked nothing but integers.

    Raises:
        ConversionError: If it is not so; the message holds what it has.
    """
    contents = inventory(flatbuffer)
    if dtype not in contents["weight_bytes"]:
        raise ConversionError(f"TFLite made no {dtype} weights{WAYS_OUT.get(dtype, '')}; it has {contents}")
    if integer and any(name.startswith("FLOAT") for name in contents["tensor_dtypes"]):
        raise ConversionError(f"TFLite has no integer form of some layers and left them float; it has {contents}")
    return flatbuffer


def _smallest(model: keras.Model, configure: Configure) -> bytes:
    """Convert with the model's loops as loops, as its owner would; written out where TFLite cannot express them."""
    if not loops(model):
        return _convert(model, configure)
    try:
        return _convert(model, configure, looped=True)
    except ConversionError:
        return _convert(model, configure)


def _convert(model: keras.Model, configure: Configure, *, looped: bool = False, single: bool = False) -> bytes:
    """Convert through a frozen graph: many times faster than through a SavedModel, and with our names only.

    Loops, which are written out then, stay if they are wished: only the functions of a SavedModel show the converter
    that a loop is an LSTM. It takes one sample at a time then, as TFLite's LSTM has its state for one.
    """
    model = unroll(model) if loops(model) and not looped else model
    # The first state of a recurrent layer is no constant while the batch is free: zeros then get a scale near 0, and
    # XNNPACK refuses what multiplies them where there are masks.
    shape = (1 if single or looped or masks_steps(model) else None, *model.inputs[0].shape[1:])

    @tf.function(input_signature=[tf.TensorSpec(shape, tf.float32, name="input")])
    def serve(x: Any) -> Any:
        return model(x, training=False)

    converter = tf.lite.TFLiteConverter.from_concrete_functions([serve.get_concrete_function()], model)
    converter.experimental_lower_to_saved_model = looped
    configure(converter)
    try:
        flatbuffer = bytes(converter.convert())
    except FAILURES as error:
        raise ConversionError(f"TFLite cannot express {model.name}: {_reason(str(error))}. {COVERAGE}") from None
    return with_empty_states(flatbuffer) if looped else with_fixed_shapes(flatbuffer)


def _reason(error: str) -> str:
    """Return in one line what the converter says; of operators that only TensorFlow has, which they are."""
    if unknown := re.search(r"(?:TF Select|Custom) ops: ([\w, ]+)", error):
        return f"it has no operator {unknown[1].strip()}"
    return " ".join(error.rsplit("error: ", maxsplit=1)[-1].split())[:300].rstrip(". ")
