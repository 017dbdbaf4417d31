"""Integer forms of recurrent models, made after training: one operator a layer, or all steps written out."""

from collections.abc import Iterable, Iterator

import numpy as np

from qatflow.artifacts import Array
from qatflow.backend import keras
from qatflow.errors import ConversionError
from qatflow.evaluation.calibration import are_probabilities
from qatflow.models.flatten import flatten
from qatflow.models.unroll import RECURRENT, is_one_operator, loops, masks_steps
from qatflow.quantization.cuts import answer_distance
from qatflow.quantization.reach import answers
from qatflow.tflite.convert import convert_fused, convert_integer
from qatflow.tflite.inspect import inventory
from qatflow.tflite.runtime import Runner

CLOSE = 0.01
"""Distance of answers, see `cuts.answer_distance`, at which the smaller form is taken without making the other."""


def to_integer(model: keras.Model, representative: Iterable[Array]) -> bytes:
    """Return the model in integers, with LSTMs as one operator each where TFLite has it and it answers well.

    The fused operator has its weights and nothing else: LSTM(16) over 100 steps has 5.8 kB, written out 630 kB. If its
    answers on the representative samples are not close to the float model's, the closer of both forms is taken.

    Raises:
        ConversionError: See `convert_integer`.
    """
    if not loops(model):
        return convert_integer(model, representative)
    samples = np.asarray(list(representative))
    fused = _fused(model, samples)
    if fused is None:
        return convert_integer(model, samples)
    reference = answers(model, samples)
    near = _distance(reference, fused, samples)
    if near <= CLOSE:
        return fused
    written = convert_integer(model, samples)
    return fused if near <= _distance(reference, written, samples) else written


def _fused(model: keras.Model, samples: Array) -> bytes | None:
    flat = flatten(model)
    recurrent = [layer for layer in flat.layers if isinstance(layer, (*RECURRENT, keras.layers.TimeDistributed))]
    if masks_steps(flat) or not all(is_one_operator(layer) for layer in recurrent):
        return None
    try:
        return convert_fused(flat, samples)
    except ConversionError:
        return None


def _distance(reference: Array, flatbuffer: bytes, samples: Array) -> float:
    rows = reference.reshape(len(reference), -1)
    task = "classification" if are_probabilities(rows) else "regression"
    return answer_distance(task, reference, Runner(flatbuffer).predict(samples))


def unrolled_notes(model: keras.Model, flatbuffer: bytes) -> Iterator[str]:
    """Yield a sentence on each recurrent layer of a model that is written out, and what that costs in bytes."""
    recurrent = [layer for layer in model.layers if isinstance(layer, RECURRENT)]
    held = inventory(flatbuffer) if recurrent else {"operators": {}, "weight_bytes": {}}
    if recurrent and not {"UNIDIRECTIONAL_SEQUENCE_LSTM", "WHILE"} & held["operators"].keys():
        constants = sum(held["weight_bytes"].values())
        named = ", ".join(f"'{layer.name}' over {layer.input_shape[1]} steps" for layer in recurrent)
        yield (
            f"{named} is written out step by step: {sum(held['operators'].values())} operators, which take "
            f"{len(flatbuffer) - constants} of {len(flatbuffer)} bytes. TFLite has an integer operator for plain LSTMs "
            "after training (ptq_w8a8) alone; dynamic_range and float16 keep loops"
        )
