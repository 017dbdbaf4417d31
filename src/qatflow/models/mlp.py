"""Multilayer perceptron: two hidden layers of 128 and 64 units. Takes samples of any shape."""

from qatflow.backend import keras
from qatflow.models.blocks import channels, finish

layers = keras.layers


def mlp(input_shape: tuple[int, ...], num_outputs: int, width: float, task: str) -> keras.Model:
    """Build the model; see `Architecture`."""
    inputs = layers.Input(input_shape, name="input")
    x = layers.Flatten(name="flatten")(inputs)
    for index, units in enumerate((128, 64), start=1):
        x = layers.Dense(channels(units, width), activation="relu", name=f"dense{index}")(x)
    return finish("mlp", inputs, x, num_outputs, task)
