"""Quantization strategies by name: from a trained float model to a flatbuffer."""

from functools import partial

from qatflow.quantization.base import Strategy
from qatflow.quantization.choose import by_sensitivity, uniform, within_budget
from qatflow.quantization.emit import to_int8, to_int16
from qatflow.quantization.fake_quantized import FakeQuantized
from qatflow.quantization.post_training import PostTraining
from qatflow.quantization.recurrent import to_integer
from qatflow.tflite.convert import (
    convert_dynamic_range,
    convert_float,
    convert_float16,
    convert_int16_activations,
)

W8, W4 = partial(uniform, 8), partial(uniform, 4)
INT8, INT4 = partial(to_int8, "INT8"), partial(to_int8, "INT4")

STRATEGIES: dict[str, Strategy] = {
    "float32": PostTraining(lambda model, _: convert_float(model), weights=32),
    "float16": PostTraining(lambda model, _: convert_float16(model), weights=16),
    "dynamic_range": PostTraining(lambda model, _: convert_dynamic_range(model)),
    "ptq_w8a8": PostTraining(to_integer, bits=8),
    "ptq_w8a16": PostTraining(convert_int16_activations, bits=16),
    "ptq_w4a8": FakeQuantized(W4, INT4, trained=False),
    "qat_w8a8_per_tensor": FakeQuantized(W8, INT8, per_channel=False),
    "qat_w8a8_per_channel": FakeQuantized(W8, INT8),
    "qat_w4a8": FakeQuantized(W4, INT4),
    "qat_mixed": FakeQuantized(within_budget, INT8),
    "qat_progressive": FakeQuantized(W4, INT4, descent=by_sensitivity),
    "pqat_w8a8": FakeQuantized(W8, INT8, compressions=("prune",)),
    "cqat_w8a8": FakeQuantized(W8, INT8, compressions=("cluster",)),
    "pcqat_w8a8": FakeQuantized(W8, INT8, compressions=("prune", "cluster")),
    "pqat_w4a8": FakeQuantized(W4, INT4, compressions=("prune",)),
    "qat_w8a8_structured": FakeQuantized(W8, INT8, compressions=("structured",)),
    "qat_w4a8_structured": FakeQuantized(W4, INT4, compressions=("structured",)),
    "qat_w8a8_low_rank": FakeQuantized(W8, INT8, compressions=("low_rank",)),
    "qat_w8a16": FakeQuantized(W8, to_int16, activations=False),
}
