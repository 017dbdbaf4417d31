"""Small float models, and prepared data for them."""

import numpy as np
import pytest

from qatflow.artifacts import stage_output
from qatflow.backend import keras, start
from qatflow.data.prepare import prepare_data
from qatflow.data.prepared import open_prepared
from qatflow.params.data import DataParams
from qatflow.params.quantize import MixedParams, QatParams, QuantizeParams
from qatflow.quantization.base import Work

layers = keras.layers


@pytest.fixture
def sequence():
    """Give a function that builds a model of layers one after another, with random weights and statistics."""

    def build(shape, *stack):
        start(0)
        x = inputs = layers.Input(shape, name="input")
        for layer in stack:
            x = layer(x)
        model = keras.Model(inputs, x, name="sequence")
        rng = np.random.default_rng(0)
        model.set_weights([rng.uniform(0.1, 1.0, weight.shape) for weight in model.get_weights()])
        return model

    return build


@pytest.fixture
def lively():
    """Give a function that draws a model's weights so that values of both signs flow through it and clip rarely."""

    def draw(model, seed=0):
        rng = np.random.default_rng(seed)
        for weight in model.weights:
            name, size = weight.name, tuple(weight.shape)
            if "kernel" in name:
                fan_in = np.prod(size[:2]) if "depthwise" in name else np.prod(size[:-1])
                weight.assign(rng.normal(0, 1 / np.sqrt(fan_in), size))
            elif "gamma" in name or "variance" in name:
                weight.assign(rng.uniform(0.5, 1.5, size))
            else:
                weight.assign(rng.normal(0, 0.3, size))
        return model

    return draw


@pytest.fixture
def samples():
    """Give a function that draws samples of a shape."""
    return lambda shape, count=32: np.random.default_rng(1).normal(0, 1, (count, *shape)).astype(np.float32)


@pytest.fixture(scope="session")
def prepared(tmp_path_factory):
    """Give a function that prepares 160 normal samples of a shape in three classes, by which values are shifted."""
    made = {}

    def prepare(shape):
        if shape not in made:
            root = tmp_path_factory.mktemp("data")
            y = np.arange(160) % 3
            x = np.random.default_rng(0).normal(size=(160, *shape)) + (y - 1).reshape(-1, *[1] * len(shape))
            np.savez(root / "data.npz", x=x.astype(np.float32), y=y)
            with stage_output(root / "prepare", "prepare") as out:
                prepare_data(DataParams(source="arrays", path=str(root / "data.npz")), "none", 0, out)
            made[shape] = open_prepared(root / "prepare")
        return made[shape]

    return prepare


@pytest.fixture
def work(prepared):
    """Give a function that returns a strategy's work on samples of a shape, with short training and probing."""

    def give(shape, *, training=None, mixed=None, **settings):
        short = QatParams(**{"epochs": 1, "batch_size": 32} | (training or {}))
        probing = MixedParams(**{"probe_samples": 16} | (mixed or {}))
        params = QuantizeParams(**{"calibration_samples": 64} | settings, training=short, mixed=probing)
        return Work(prepared(shape), params, seed=0)

    return give
