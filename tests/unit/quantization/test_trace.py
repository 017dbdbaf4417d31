"""What a training did to grids and integers is recorded epoch by epoch."""

import numpy as np
import pytest

from qatflow.backend import keras
from qatflow.quantization.fake_quant import Grids, Learn, build, kernels_of, wrappers
from qatflow.quantization.plan import Own, Plan
from qatflow.quantization.trace import Trace, integers

pytestmark = pytest.mark.slow

layers = keras.layers
STEP = 0.1


@pytest.fixture
def network(sequence):
    stack = [layers.Dense(2, use_bias=False, name="four"), layers.Dense(2, use_bias=False, name="eight")]
    model = sequence((2,), *stack)
    grids = Grids({"four": np.float32(STEP), "eight": np.float32(STEP)}, {"four": (-1.0, 3.0)})
    return build(model, Plan({"four": 4, "eight": 8}, {"four": Own()}), grids, Learn(steps=True, ranges=True))


def trained(network, *kernels):
    """Record the layer `four` with these integers, one matrix an epoch; the first is where it starts."""
    trace = Trace(network)
    for epoch, q in enumerate(kernels):
        kernels_of(network)["four"].assign(np.asarray(q, np.float32) * STEP)
        trace.on_epoch_end(epoch - 1) if epoch else trace.on_train_begin()
    return trace.record()["layers"]


def test_it_counts_the_weights_whose_integer_moved_and_turned(network):
    found = trained(
        network,
        [[0, 1], [2, 3]],
        [[1, 1], [2, 4]],  # two move up
        [[1, 1], [3, 4]],  # one moves for the first time
        [[0, 1], [4, 5]],  # three move, one of them back
    )

    assert found["four"]["moved"] == [0.5, 0.25, 0.75]
    assert found["four"]["turned"] == [0.0, 0.0, 0.25]
    assert found["eight"]["moved"] == [0.0, 0.0, 0.0]


def test_moves_inside_a_step_and_beyond_the_grid_are_none(network):
    found = trained(network, [[0.2, 1], [7, 9]], [[-0.3, 1], [12, 8]])

    assert found["four"]["moved"] == [0.0]


def test_it_records_widths_steps_and_ranges_from_the_start(network):
    trace = Trace(network)
    trace.on_train_begin()
    quantizer = wrappers(network)["four"].quantize_config.output
    quantizer.variables["high"].assign(np.log(4.0))
    trace.on_epoch_end(0)
    found = trace.record()["layers"]

    assert (found["four"]["bits"], found["eight"]["bits"]) == (4, 8)
    assert found["four"]["step"] == pytest.approx([STEP, STEP])
    assert found["four"]["low"] == pytest.approx([-1.0, -1.0])
    assert found["four"]["high"] == pytest.approx([3.0, 4.0])
    assert "low" not in found["eight"]


def test_it_is_told_by_keras_and_leaves_the_training_as_it_was(network, samples):
    x = samples((2,), 16)
    start = [weight.copy() for weight in network.get_weights()]
    left = []
    for callbacks in ([], [Trace(network)]):
        network.set_weights(start)
        keras.utils.set_random_seed(0)
        network.compile("sgd", "mse")
        network.fit(x, x, epochs=3, verbose=0, callbacks=callbacks)
        left.append(network.get_weights())

    assert len(callbacks[0].record()["layers"]["four"]["step"]) == 4
    assert all(np.array_equal(one, other) for one, other in zip(*left, strict=True))


def test_integers_round_halves_to_even_and_clip():
    assert integers(np.array([0.25, 0.75, -9.0]), np.float64(0.5), 7).tolist() == [0, 2, -7]


def test_a_record_that_was_interrupted_goes_on_as_if_it_was_not(network):
    kernel = kernels_of(network)["four"]
    whole, first, second = Trace(network), Trace(network), Trace(network)
    for epoch, q in enumerate([[[0, 1], [2, 3]], [[1, 1], [2, 4]], [[0, 1], [3, 4]]]):
        kernel.assign(np.asarray(q, np.float32) * STEP)
        for trace in (whole, first if epoch < 2 else second):
            trace.on_epoch_end(epoch - 1) if epoch else trace.on_train_begin()
        if epoch == 1:
            second.on_train_begin()
            second.restore(first.state())

    assert second.record() == whole.record()
