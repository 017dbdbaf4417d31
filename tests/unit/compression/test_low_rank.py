import numpy as np
import pytest

from qatflow.backend import keras
from qatflow.compression.low_rank import LowRank, saving_rank
from qatflow.errors import ParamsError
from qatflow.params.compression import CompressionParams

layers = keras.layers


def kernel_of_rank(rank, shape=(40, 30)):
    rng = np.random.default_rng(0)
    return (rng.normal(size=(shape[0], rank)) @ rng.normal(size=(rank, shape[1]))).astype(np.float32)


@pytest.fixture
def model():
    made = keras.Sequential([layers.Dense(30, "relu", input_shape=(40,), name="wide"), layers.Dense(2, name="end")])
    made.get_layer("wide").kernel.assign(kernel_of_rank(4))
    made.get_layer("wide").bias.assign(np.linspace(-1, 1, 30))
    return made


def test_the_least_rank_that_keeps_the_energy_is_found():
    singular = np.diag([3.0, 2.0, 1.0, *np.zeros(27)]).astype(np.float32)  # squares 9, 4, 1

    assert [saving_rank(singular, energy) for energy in (0.6, 0.7, 0.95)] == [1, 2, 3]
    assert saving_rank(kernel_of_rank(30), 0.999) is None


def test_factors_compute_what_the_layer_did_with_fewer_weights(model):
    small = LowRank(CompressionParams(energy=0.9999)).shrink(model, None)
    x = np.random.default_rng(1).normal(size=(8, 40)).astype(np.float32)

    assert small.get_layer("wide_factor").kernel.shape == (40, 4)
    assert small.get_layer("wide").kernel.shape == (4, 30)
    assert np.allclose(small.predict(x, verbose=0), model.predict(x, verbose=0), atol=1e-3)
    assert LowRank(CompressionParams()).promises(small)["wide"].weights == 120


def test_a_model_without_such_layers_is_refused():
    full = keras.Sequential([layers.Dense(30, input_shape=(40,), name="wide")])
    full.get_layer("wide").kernel.assign(kernel_of_rank(30))

    with pytest.raises(ParamsError, match=r"no dense layer of .* keep 0\.99 of its squared weights"):
        LowRank(CompressionParams(energy=0.99)).shrink(full, None)
