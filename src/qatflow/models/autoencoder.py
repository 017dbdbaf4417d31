"""Dense autoencoder like MLPerf Tiny's anomaly detection: 128 units, a bottleneck of 8, and back.

Without its batch normalization: tfmot puts a fake-quant between Dense+BN and ReLU that the device does not have.
"""

from math import prod

from qatflow.backend import keras
from qatflow.errors import ModelError
from qatflow.models.blocks import channels

layers = keras.layers


def autoencoder(input_shape: tuple[int, ...], num_outputs: int, width: float, task: str) -> keras.Model:
    """Build the model; see `Architecture`. Takes samples of any shape.

    Raises:
        ModelError: If the task is not anomaly detection.
    """
    if task != "anomaly" or num_outputs != prod(input_shape):
        raise ModelError(f"autoencoder reconstructs its input, which suits data.task anomaly, not {task}")
    inputs = layers.Input(input_shape, name="input")
    x = layers.Flatten(name="flatten")(inputs)
    units = [channels(128, width)] * 4
    for index, size in enumerate([*units, 8, *units], start=1):
        x = layers.Dense(size, activation="relu", name=f"dense{index}")(x)
    x = layers.Dense(num_outputs, name="outputs")(x)
    outputs = layers.Reshape(input_shape, name="restore")(x) if len(input_shape) > 1 else x
    return keras.Model(inputs, outputs, name="autoencoder")
