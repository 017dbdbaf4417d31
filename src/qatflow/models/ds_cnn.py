"""Depthwise-separable CNN of MLPerf Tiny's keyword spotting, after Zhang et al. 2017, *Hello Edge*."""

from qatflow.backend import keras
from qatflow.models.blocks import channels, conv, depthwise, finish, image_input, stride

layers = keras.layers


def ds_cnn(input_shape: tuple[int, ...], num_outputs: int, width: float, task: str) -> keras.Model:
    """Build the model; see `Architecture`. The first kernel is 10x4 (time, frequency), or less on smaller inputs."""
    inputs = image_input("ds_cnn", input_shape)
    filters = channels(64, width)
    kernel = (min(10, input_shape[0]), min(4, input_shape[1]))
    x = conv(inputs, filters, kernel, stride(inputs), "stem")
    x = layers.Dropout(0.2, name="stem_dropout")(x)
    for block in range(1, 5):
        x = depthwise(x, 1, f"block{block}_depthwise")
        x = conv(x, filters, 1, 1, f"block{block}_pointwise")
    x = layers.Dropout(0.4, name="dropout")(x)
    return finish("ds_cnn", inputs, layers.GlobalAveragePooling2D(name="pool")(x), num_outputs, task)
