import numpy as np
import pytest

from qatflow.backend import keras
from qatflow.quantization.planned import LayerConfig, PlannedScheme
from qatflow.quantization.quantizers import RangeQuantizer, WeightQuantizer

layers = keras.layers


@pytest.fixture
def model(sequence):
    return sequence((4,), layers.Dense(3, name="a"), layers.ReLU(name="r"), layers.Dense(2, name="b"))


@pytest.fixture
def scheme():
    weights = WeightQuantizer(4, np.float32(0.2), learned=False)
    return PlannedScheme({"a": LayerConfig(weights, None), "r": LayerConfig(None, RangeQuantizer(0, 3, learned=False))})


def test_wraps_the_layers_that_it_knows_by_name_and_no_others(scheme, model):
    wrapped = scheme.wrap(model)

    assert [layer.name for layer in wrapped.layers] == ["input", "quant_a", "quant_r", "b"]
    assert [layer.name for layer in model.layers if scheme.supports(layer)] == ["a", "r"]


def test_computes_with_quantized_weights_and_outputs(scheme, model, samples):
    x = samples((4,))
    kernel, bias = model.get_layer("a").get_weights()
    hidden = np.maximum(x @ (np.clip(np.rint(kernel / 0.2), -7, 7) * 0.2) + bias, 0)
    quantized = np.minimum(np.rint(hidden / (3 / 255)), 255) * (3 / 255)
    last_kernel, last_bias = model.get_layer("b").get_weights()

    found = scheme.wrap(model)(x)

    np.testing.assert_allclose(found, quantized @ last_kernel + last_bias, atol=0.03)
    assert np.abs(model(x) - found).max() > 0.05


def test_the_model_itself_shares_nothing_with_the_copy(scheme, model):
    before = model.get_weights()

    wrapped = scheme.wrap(model)
    wrapped.set_weights([weight * 0 for weight in wrapped.get_weights()])

    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
    assert [layer.name for layer in model.layers] == ["input", "a", "r", "b"]
