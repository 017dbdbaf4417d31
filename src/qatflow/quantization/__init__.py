"""Quantization strategies by name: from a trained float model to a flatbuffer."""

from functools import partial

from qatflow.backend import keras
from qatflow.quantization.base import Strategy
from qatflow.quantization.fold import KERNELS
from qatflow.quantization.post_training import PostTraining
from qatflow.quantization.quantization_aware import QuantizationAware, w4a8, w8a8
from qatflow.tflite.convert import convert_dynamic_range, convert_float, convert_float16, convert_full_integer

STRATEGIES: dict[str, Strategy] = {
    "float32": PostTraining(lambda model, _: convert_float(model)),
    "float16": PostTraining(lambda model, _: convert_float16(model)),
    "dynamic_range": PostTraining(lambda model, _: convert_dynamic_range(model)),
    "ptq_w8a8": PostTraining(convert_full_integer),
    "qat_w8a8_per_tensor": QuantizationAware(partial(w8a8, per_channel=False), folded=tuple(KERNELS)),
    "qat_w8a8_per_channel": QuantizationAware(partial(w8a8, per_channel=True)),
    "qat_w4a8": QuantizationAware(w4a8, excluded=(keras.layers.Conv2DTranspose,), weights="INT4"),
}
