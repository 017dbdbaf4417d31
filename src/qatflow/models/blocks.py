"""Pieces that architectures are made of."""

from typing import Any, Literal

from qatflow.backend import keras
from qatflow.errors import ModelError

layers = keras.layers
Activation = Literal["relu", "relu6", "linear"]
Size = int | tuple[int, int]

MOMENTUM = 0.9
"""Of batch normalization. Keras' 0.99 keeps a quarter of the initial statistics after 140 steps, a short training."""


def channels(count: int, width: float) -> int:
    """Return `count * width` as the nearest multiple of 8, at least 8."""
    return max(8, round(count * width / 8) * 8)


def stride(x: Any) -> int:
    """Return 2 for a feature map (n, h, w, c) at least 4 wide and high, else 1."""
    return 2 if min(x.shape[1:3]) >= 4 else 1


ANY = ("mlp",)
SUITED = {1: ANY, 2: ("conv1d", *ANY), 3: ("small_cnn", "ds_cnn", "resnet8", "mobilenet_v1", "mobilenet_v2")}
"""Architectures for samples of each rank: columns of a table, series (time, channels), images."""


def require_rank(architecture: str, input_shape: tuple[int, ...], expected: str, ranks: tuple[int, ...]) -> None:
    """Check the rank of a sample.

    Raises:
        ModelError: If it is none of `ranks`; the message names the `expected` shape.
    """
    if len(input_shape) not in ranks:
        fitting = ", ".join(SUITED.get(len(input_shape), ANY))
        raise ModelError(
            f"{architecture} takes samples of shape {expected}; the data have shape {input_shape}, which suits "
            f"model.name {fitting}"
        )


def image_input(architecture: str, input_shape: tuple[int, ...]) -> Any:
    """Return the input of a model for images (height, width, channels).

    Raises:
        ModelError: If samples have another rank.
    """
    require_rank(architecture, input_shape, "(height, width, channels)", (3,))
    return layers.Input(input_shape, name="input")


def conv(x: Any, filters: int, kernel: Size, step: Size, name: str, *, activation: Activation = "relu") -> Any:
    """Apply convolution (padding `same`), batch normalization and activation."""
    x = layers.Conv2D(filters, kernel, strides=step, padding="same", use_bias=False, name=name)(x)
    return _normalize(x, name, activation)


def depthwise(x: Any, step: int, name: str, *, activation: Activation = "relu") -> Any:
    """Apply 3x3 depthwise convolution (padding `same`), batch normalization and activation."""
    x = layers.DepthwiseConv2D(3, strides=step, padding="same", use_bias=False, name=name)(x)
    return _normalize(x, name, activation)


def _normalize(x: Any, name: str, activation: Activation) -> Any:
    x = layers.BatchNormalization(momentum=MOMENTUM, name=f"{name}_bn")(x)
    if activation == "linear":
        return x
    return layers.ReLU(6.0 if activation == "relu6" else None, name=f"{name}_relu")(x)


def finish(architecture: str, inputs: Any, features: Any, num_outputs: int, task: str) -> keras.Model:
    """Put the task's output layer on `features` (n, d).

    Raises:
        ModelError: If the task is anomaly detection, which needs a model that reconstructs its input.
    """
    if task == "anomaly":
        raise ModelError(
            f"{architecture} cannot reconstruct its input; for data.task anomaly use model.name autoencoder"
        )
    activation = {"classification": "softmax", "multi_label": "sigmoid"}.get(task)
    outputs = layers.Dense(num_outputs, activation, name="outputs")(features)
    return keras.Model(inputs, outputs, name=architecture)
