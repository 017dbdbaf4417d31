"""Dense kernels are stored in 4 bits wherever they stand, and compute as they did."""

import numpy as np
import pytest

from qatflow.backend import keras
from qatflow.models.kernels import columns
from qatflow.quantization.deployed import Deployable
from qatflow.quantization.emit import to_int8
from qatflow.quantization.fake_quant import Grids, initial_steps
from qatflow.quantization.grid import on_grid
from qatflow.quantization.plan import Plan
from qatflow.tflite.inspect import layer_weights
from qatflow.tflite.runtime import Runner

layers = keras.layers
STACKS = {
    "over steps": lambda: (layers.Dense(6, name="d"), layers.Flatten(name="f")),
    "of an odd number of weights": lambda: (layers.Dense(3, name="d"), layers.Flatten(name="f")),
    "before an operator in float": lambda: (layers.Flatten(name="f"), layers.Dense(6, name="d"), layers.ELU(name="e")),
    "behind an operator in float": lambda: (layers.ELU(name="e"), layers.Flatten(name="f"), layers.Dense(6, name="d")),
}


@pytest.mark.parametrize("stack", STACKS)
def test_a_dense_kernel_of_4_bits_takes_4_bits(sequence, samples, lively, stack):
    shape = (5, 3)
    model = lively(sequence(shape, *STACKS[stack](), layers.Dense(3, name="out")))
    steps = {name: initial_steps(model.get_layer(name), 4, per_channel=False) for name in ("d", "out")}
    x = samples(shape)

    flatbuffer = to_int8("INT4", Deployable(model, Plan(dict.fromkeys(steps, 4), {}), Grids(steps, {})), x)

    found = {layer.name: layer for layer in layer_weights(flatbuffer)}
    assert [found[name].dtype for name in steps] == ["INT4", "INT4"]
    for name, step in steps.items():
        layer = model.get_layer(name)
        wanted = on_grid(columns(layer), step, 4)
        np.testing.assert_allclose(found[name].values.T, wanted, atol=1e-6)
        layer.kernel.assign(wanted)
    runner = Runner(flatbuffer)
    assert np.abs(runner.predict(x) - model(x)).max() < 5 * runner.output.scale
