"""MobileNetV1, Howard et al. 2017, table 1. `width` is its width multiplier; MLPerf Tiny uses 0.25 at 96x96."""

from qatflow.backend import keras
from qatflow.models.blocks import channels, conv, depthwise, finish, image_input, stride

layers = keras.layers

BLOCKS = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1))
"""Output channels and stride of each depthwise-separable block."""


def mobilenet_v1(input_shape: tuple[int, ...], num_outputs: int, width: float, task: str) -> keras.Model:
    """Build the model; see `Architecture`."""
    inputs = image_input("mobilenet_v1", input_shape)
    x = conv(inputs, channels(32, width), 3, stride(inputs), "stem")
    for index, (filters, step) in enumerate(BLOCKS, start=1):
        x = depthwise(x, min(step, stride(x)), f"block{index}_depthwise")
        x = conv(x, channels(filters, width), 1, 1, f"block{index}_pointwise")
    return finish("mobilenet_v1", inputs, layers.GlobalAveragePooling2D(name="pool")(x), num_outputs, task)
