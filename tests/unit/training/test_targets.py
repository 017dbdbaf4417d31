"""Regression targets of any size: the model learns in standardized units and speaks in the data's own."""

import numpy as np
import pytest

from qatflow.artifacts import stage_output
from qatflow.backend import keras, start
from qatflow.data.prepare import prepare_data
from qatflow.data.prepared import open_prepared
from qatflow.models import ARCHITECTURES
from qatflow.params.data import DataParams
from qatflow.params.training import TrainingParams
from qatflow.training.fit import fit
from qatflow.training.targets import initialize_units, standardized


@pytest.fixture(scope="module")
def house_prices(tmp_path_factory):
    """Give 400 samples of a linear function whose values lie around 300,000."""
    folder = tmp_path_factory.mktemp("prices")
    x = np.random.default_rng(0).normal(size=(400, 3)).astype(np.float32)
    y = (300_000 + x @ np.array([[50_000], [-20_000], [10_000]])).astype(np.float32)
    np.savez(folder / "data.npz", x=x, y=y)
    with stage_output(folder / "prepare", "prepare") as out:
        prepare_data(DataParams(source="arrays", path=str(folder / "data.npz"), task="regression"), "standard", 0, out)
    return open_prepared(folder / "prepare")


def _model(data):
    start(0)
    return ARCHITECTURES["mlp"](data.input_shape, data.num_outputs, 0.25, data.task)


def test_units_change_exactly_and_back(house_prices):
    model, x = _model(house_prices), house_prices.test.arrays()[0]
    y = house_prices.train.labels()
    before = model.predict(x, verbose=0)

    with standardized(model, house_prices):
        inside = model.predict(x, verbose=0)

    np.testing.assert_allclose(inside, (before - y.mean()) / y.std(), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(model.predict(x, verbose=0), before, atol=0.1)


@pytest.mark.slow
def test_large_targets_are_learned(house_prices):
    model = _model(house_prices)
    initialize_units(model, house_prices)

    history = fit(model, house_prices, TrainingParams(epochs=15, batch_size=32, learning_rate=0.01), 0, "training")

    x, y = house_prices.test.arrays()
    assert history[0]["loss"] < 10
    assert 1 - np.mean((model.predict(x, verbose=0) - y) ** 2) / y.var() > 0.9


def test_last_layer_that_is_not_linear_is_left_alone(house_prices):
    model = keras.Sequential([keras.layers.Dense(1, "relu", input_shape=house_prices.input_shape)])
    before = model.get_weights()

    with standardized(model, house_prices):
        inside = model.get_weights()

    assert all(np.array_equal(a, b) for a, b in zip(before, inside, strict=True))
