"""MobileNetV2, Sandler et al. 2018, table 2. `width` is its width multiplier; the last layer never gets narrower."""

from typing import Any

from qatflow.backend import keras
from qatflow.models.blocks import channels, conv, depthwise, finish, image_input, stride

layers = keras.layers

STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
"""Expansion, output channels, repeats, and stride of the first repeat."""


def mobilenet_v2(input_shape: tuple[int, ...], num_outputs: int, width: float, task: str) -> keras.Model:
    """Build the model; see `Architecture`."""
    inputs = image_input("mobilenet_v2", input_shape)
    x = conv(inputs, channels(32, width), 3, stride(inputs), "stem", activation="relu6")
    for stage, (expansion, filters, repeats, first_step) in enumerate(STAGES, start=1):
        for repeat in range(1, repeats + 1):
            step = min(first_step, stride(x)) if repeat == 1 else 1
            x = _inverted_residual(x, expansion, channels(filters, width), step, f"stage{stage}_{repeat}")
    x = conv(x, channels(1280, max(1.0, width)), 1, 1, "last", activation="relu6")
    return finish("mobilenet_v2", inputs, layers.GlobalAveragePooling2D(name="pool")(x), num_outputs, task)


def _inverted_residual(x: Any, expansion: int, filters: int, step: int, name: str) -> Any:
    y = x
    if expansion != 1:
        y = conv(y, expansion * x.shape[-1], 1, 1, f"{name}_expand", activation="relu6")
    y = depthwise(y, step, f"{name}_depthwise", activation="relu6")
    y = conv(y, filters, 1, 1, f"{name}_project", activation="linear")
    same = step == 1 and x.shape[-1] == filters
    return layers.Add(name=f"{name}_add")([x, y]) if same else y
