"""ResNet-8 of MLPerf Tiny's image classification (mlcommons/tiny, keras_model.py), after He et al. 2015."""

from typing import Any

from qatflow.backend import keras
from qatflow.models.blocks import channels, conv, finish, image_input, stride

layers = keras.layers


def resnet8(input_shape: tuple[int, ...], num_outputs: int, width: float, task: str) -> keras.Model:
    """Build the model; see `Architecture`."""
    inputs = image_input("resnet8", input_shape)
    x = conv(inputs, channels(16, width), 3, 1, "stem")
    x = _residual(x, channels(16, width), 1, "stack1")
    x = _residual(x, channels(32, width), stride(x), "stack2")
    x = _residual(x, channels(64, width), stride(x), "stack3")
    return finish("resnet8", inputs, layers.GlobalAveragePooling2D(name="pool")(x), num_outputs, task)


def _residual(x: Any, filters: int, step: int, name: str) -> Any:
    y = conv(x, filters, 3, step, f"{name}_conv1")
    y = conv(y, filters, 3, 1, f"{name}_conv2", activation="linear")
    if step != 1 or x.shape[-1] != filters:
        x = layers.Conv2D(filters, 1, strides=step, padding="same", name=f"{name}_shortcut")(x)
    return layers.ReLU(name=f"{name}_relu")(layers.Add(name=f"{name}_add")([x, y]))
