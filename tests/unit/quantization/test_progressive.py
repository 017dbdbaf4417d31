import numpy as np
import pytest

from qatflow.backend import keras
from qatflow.quantization.fake_quant import Grids, Learn, build, wrappers
from qatflow.quantization.grid import levels
from qatflow.quantization.plan import Plan
from qatflow.quantization.progressive import Descend

layers = keras.layers
NAMES = ["a", "b", "c"]
STEP = np.float32(0.1)


@pytest.fixture
def network(sequence):
    model = sequence((4,), *(layers.Dense(4, name=name) for name in NAMES))
    return build(model, Plan(dict.fromkeys(NAMES, 4), {}), Grids(dict.fromkeys(NAMES, STEP), {}), Learn(steps=True))


def tops(network):
    return [float(wrappers(network)[name].quantize_config.weights.variables["top"].numpy()) for name in NAMES]


def limits(network):
    held = [wrappers(network)[name].quantize_config.weights for name in NAMES]
    return [float(quantizer.present_steps() * quantizer.variables["top"].numpy()) for quantizer in held]


def test_widths_come_down_one_by_one_the_least_sensitive_first(network):
    descend = Descend(network, ["c", "a", "b"], steps=100)
    seen = [tops(network)]
    for batch in range(100):
        descend.on_train_batch_end(batch)
        if tops(network) != seen[-1]:
            seen.append(tops(network))
        if batch == 59:
            assert tops(network) == [7, 7, 7]

    assert seen[0] == [127, 127, 127]
    assert seen[1:4] == [[127, 127, 63], [63, 127, 63], [63, 63, 63]]
    assert len(seen) == 1 + 4 * 3
    assert seen[-1] == [levels(4)] * 3


def test_every_range_stays_while_its_levels_fall(network):
    before = limits(network)
    descend = Descend(network, NAMES, steps=20)

    for batch in range(20):
        descend.on_train_batch_end(batch)
        np.testing.assert_allclose(limits(network), before, rtol=1e-4)
    np.testing.assert_allclose(wrappers(network)["a"].quantize_config.weights.present_steps(), STEP, rtol=1e-4)


@pytest.mark.parametrize("batches", [0, 1, 7])
def test_a_shorter_training_ends_at_4_bits_all_the_same(network, batches):
    descend = Descend(network, NAMES, steps=1000)

    for batch in range(batches):
        descend.on_train_batch_end(batch)
    descend.on_train_end()

    assert tops(network) == [7, 7, 7]
    np.testing.assert_allclose(limits(network), 7 * STEP, rtol=1e-4)


def test_fewer_batches_than_moves_are_enough(network):
    descend = Descend(network, NAMES, steps=3)

    for batch in range(3):
        descend.on_train_batch_end(batch)

    assert tops(network) == [7, 7, 7]


def test_no_layers_no_moves(network):
    descend = Descend(network, [], steps=3)
    descend.on_train_batch_end(0)
    descend.on_train_end()

    assert tops(network) == [7, 7, 7]
