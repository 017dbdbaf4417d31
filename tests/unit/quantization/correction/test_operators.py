import numpy as np
import pytest

from qatflow.backend import keras
from qatflow.quantization.correction.activations import mean_tensors
from qatflow.quantization.correction.operators import grid, operators
from qatflow.tflite.convert import convert_float, convert_full_integer
from qatflow.tflite.inspect import layer_weights
from qatflow.tflite.rewrite import parse

layers = keras.layers

STACKS = {
    "conv": [lambda: layers.Conv2D(6, (3, 2), strides=2, padding="same", name="a"), lambda: layers.Conv2D(4, 2)],
    "dilated": [lambda: layers.Conv2D(6, 3, dilation_rate=2, name="a")],
    "grouped": [lambda: layers.Conv2D(6, 3, groups=2, padding="same", name="a")],
    "depthwise": [lambda: layers.DepthwiseConv2D(3, strides=2, depth_multiplier=2, padding="same", name="a")],
    "dense": [lambda: layers.Flatten(name="f"), lambda: layers.Dense(5, name="a")],
    "dense on images": [lambda: layers.Dense(5, name="a")],
}


def measured(model, samples, operator):
    """Return the mean of what the operator gives, by channel, in real units."""
    index = int(operator.table.outputs[0])
    scale, zero_point = grid(operator.tensor(index))
    mean = scale * (mean_tensors(model, samples, [index])[index] - zero_point)
    return mean.reshape(-1, mean.shape[-1]).mean(axis=0), scale[0]


@pytest.mark.slow
@pytest.mark.parametrize("name", STACKS)
def test_mean_outputs_are_what_litert_gives(sequence, samples, name):
    model, x = sequence((7, 8, 4), *(make() for make in STACKS[name])), samples((7, 8, 4), 20)
    for flatbuffer in (convert_float(model), convert_full_integer(model, x)):
        for operator in operators(parse(flatbuffer), layer_weights(flatbuffer)):
            means = mean_tensors(flatbuffer, x, [operator.source])
            mean, step = measured(flatbuffer, x, operator)

            tolerance = 1e-4 if flatbuffer == convert_float(model) else step / 2
            np.testing.assert_allclose(operator.mean_output(means[operator.source]), mean, atol=tolerance)
