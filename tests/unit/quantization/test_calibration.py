import numpy as np
import pytest

from qatflow.backend import keras
from qatflow.errors import ModelError, ParamsError
from qatflow.quantization import calibration
from qatflow.quantization.calibration import LEAST, METHODS, Observed, mse, observe, percentile, ranges

layers = keras.layers


@pytest.fixture
def net(sequence):
    return sequence((4,), layers.Activation("linear", name="in"), layers.Dense(3, name="d"), layers.ReLU(name="r"))


def test_extremes_are_those_of_all_samples_in_any_number_of_batches(net, samples):
    x = samples((4,), 150)

    observed = observe(net, ["in", "d"], x)

    for name, values in (("in", x), ("d", net.get_layer("d")(x).numpy())):
        assert (observed[name].low, observed[name].high) == (values.min(), values.max())
        np.testing.assert_array_equal(observed[name].values, values.ravel())


def test_what_is_kept_of_large_tensors_has_all_channels(monkeypatch, sequence):
    monkeypatch.setattr(calibration, "KEPT", 50)
    model = sequence((16, 16, 4), layers.Activation("linear", name="in"))
    x = np.broadcast_to(np.arange(4, dtype=np.float32), (2, 16, 16, 4))

    values = observe(model, ["in"], x)["in"].values

    assert 25 <= len(values) <= 120
    assert set(values) == {0, 1, 2, 3}


@pytest.mark.parametrize("method", METHODS)
def test_every_method_gives_a_range_with_zero_inside_the_extremes(net, samples, method):
    x = samples((4,), 80) + 5

    found = ranges(net, ["in", "d", "r"], x, method)

    for name, values in (("in", x), ("d", net.get_layer("d")(x).numpy())):
        low, high = found[name]
        assert min(0, values.min()) <= low <= 0
        assert 0.5 * values.max() < high <= values.max() * 1.0001
    assert found["r"][0] == 0


def test_methods_cut_outliers_as_they_should():
    values = np.append(np.random.default_rng(0).normal(size=20_000), [100.0]).astype(np.float32)
    observed = Observed(float(values.min()), 100.0, values)

    assert METHODS["min_max"](observed) == (observed.low, 100.0)
    assert percentile(observed)[1] < 5
    assert mse(observed)[1] < 100


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("value", [0.0, 3.0, -3.0])
def test_a_constant_tensor_has_a_range(sequence, method, value):
    model = sequence((4,), layers.Activation("linear", name="in"))

    low, high = ranges(model, ["in"], np.full((8, 4), value, np.float32), method)["in"]

    assert high - low >= 0.2 * max(LEAST, abs(value))
    assert low <= 0 <= high


def test_one_sample_is_enough_and_none_is_not(net, samples):
    assert ranges(net, ["d"], samples((4,), 1), "mse")["d"][1] > 0
    with pytest.raises(ParamsError, match="at least one sample"):
        ranges(net, ["d"], samples((4,), 0), "mse")


def test_an_unknown_method_gets_the_nearest(net, samples):
    with pytest.raises(ParamsError, match=r"Unknown calibration method 'percentil'.*Did you mean 'percentile'"):
        ranges(net, ["d"], samples((4,)), "percentil")


def test_no_layers_no_ranges(net, samples):
    assert ranges(net, [], samples((4,)), "mse") == {}


def test_outputs_that_are_not_finite_name_their_layer(net, samples):
    net.get_layer("d").kernel.assign(np.full((4, 3), 3e38))

    with pytest.raises(ModelError, match="outputs of layer 'd' are not finite"):
        ranges(net, ["in", "d"], 10 * samples((4,)), "mse")
