"""Convolutional network over time. Written as Conv2D over (time, 1, channels): tfmot cannot quantize Conv1D."""

from qatflow.backend import keras
from qatflow.models.blocks import channels, conv, finish, require_rank

layers = keras.layers


def conv1d(input_shape: tuple[int, ...], num_outputs: int, width: float, task: str) -> keras.Model:
    """Build the model; see `Architecture`. Takes (time, channels), or (time,) as one channel."""
    require_rank("conv1d", input_shape, "(time, channels) or (time,)", (1, 2))
    time, depth = (*input_shape, 1)[:2]
    inputs = layers.Input(input_shape, name="input")
    x = layers.Reshape((time, 1, depth), name="expand")(inputs)
    for index, filters in enumerate((32, 64, 64), start=1):
        step = 2 if x.shape[1] >= 4 else 1
        kernel = min(5, x.shape[1])
        x = conv(x, channels(filters, width), (kernel, 1), (step, 1), f"conv{index}")
    return finish("conv1d", inputs, layers.GlobalAveragePooling2D(name="pool")(x), num_outputs, task)
