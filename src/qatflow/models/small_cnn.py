"""Three 3x3 convolutions of 16, 32 and 64 channels: 24,000 parameters, enough for small images."""

from qatflow.backend import keras
from qatflow.models.blocks import channels, conv, finish, image_input, stride

layers = keras.layers


def small_cnn(input_shape: tuple[int, ...], num_outputs: int, width: float, task: str) -> keras.Model:
    """Build the model; see `Architecture`."""
    inputs = image_input("small_cnn", input_shape)
    x = conv(inputs, channels(16, width), 3, 1, "conv1")
    x = conv(x, channels(32, width), 3, stride(x), "conv2")
    x = conv(x, channels(64, width), 3, stride(x), "conv3")
    return finish("small_cnn", inputs, layers.GlobalAveragePooling2D(name="pool")(x), num_outputs, task)
