import pytest

from qatflow.backend import keras
from qatflow.errors import ParamsError
from qatflow.quantization.canonical import canonical
from qatflow.quantization.choose import by_sensitivity, uniform, within_budget

layers = keras.layers
SHAPE = (8, 8, 2)


@pytest.fixture
def model(sequence, lively):
    stack = [layers.Conv2D(16, 3, use_bias=False, name="a"), layers.BatchNormalization(name="n"), layers.ReLU(name="r")]
    stack += [layers.Conv2D(16, 3, name="b"), layers.GlobalAveragePooling2D(name="g")]
    return canonical(lively(sequence(SHAPE, *stack, layers.Dense(3, activation="softmax", name="d"))), folded=False)


def test_one_width_for_all(model, work):
    assert uniform(4, model, work(SHAPE)) == {"a": 4, "b": 4, "d": 4}


def test_depthwise_kernels_keep_8_bits(sequence, work):
    stack = [layers.DepthwiseConv2D(3, name="w"), layers.SeparableConv2D(4, 3, name="s"), layers.Conv2D(2, 1, name="c")]
    model = canonical(sequence(SHAPE, *stack, layers.Flatten(), layers.Dense(2, name="d")), folded=False)

    assert uniform(4, model, work(SHAPE)) == {"w": 8, "s_depthwise": 8, "s": 4, "c": 4, "d": 4}


@pytest.mark.slow
def test_a_budget_gives_the_widest_layer_4_bits_and_keeps_the_others(model, work):
    widths = within_budget(model, work(SHAPE, mixed={"size_ratio": 0.9}))

    assert widths == {"a": 8, "b": 4, "d": 8}
    assert model.get_layer("n") is not None


@pytest.mark.slow
def test_a_budget_that_all_8_bits_meet_costs_no_accuracy(model, work):
    assert set(within_budget(model, work(SHAPE, mixed={"size_ratio": 1.0}))) == {"a", "b", "d"}


@pytest.mark.slow
def test_a_budget_that_nothing_meets_is_told_the_nearest(model, work):
    with pytest.raises(
        ParamsError, match=r"No choice of 4 and 8 bits meets .* the nearest that can be met is \d+ bytes"
    ):
        within_budget(model, work(SHAPE, mixed={"size_ratio": 0.01}))


@pytest.mark.slow
def test_the_order_of_descent_names_every_layer_once(model, work):
    order = by_sensitivity(model, work(SHAPE))

    assert sorted(order) == ["a", "b", "d"]
    assert by_sensitivity(model, work(SHAPE)) == order
