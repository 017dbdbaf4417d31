"""Random weights of both signs for a model, and data for training it."""

import numpy as np
import pytest

from qatflow.artifacts import stage_output
from qatflow.data.prepare import prepare_data
from qatflow.data.prepared import open_prepared
from qatflow.params.data import DataParams


@pytest.fixture
def drawn():
    """Give a function that draws a model's weights, statistics of batch normalization too."""

    def draw(model):
        rng = np.random.default_rng(0)
        for weight in model.weights:
            low, high = (0.5, 1.5) if "variance" in weight.name or "gamma" in weight.name else (-0.6, 0.6)
            weight.assign(rng.uniform(low, high, weight.shape))
        return model

    return draw


@pytest.fixture(scope="session")
def blobs(tmp_path_factory):
    """Images (6, 6, 2) in two classes that differ in the first channel's mean."""
    root = tmp_path_factory.mktemp("blobs")
    y = np.arange(200) % 2
    x = np.random.default_rng(0).normal(size=(200, 6, 6, 2)).astype(np.float32)
    x[..., 0] += (2 * y - 1)[:, None, None]
    np.savez(root / "data.npz", x=x, y=y)
    with stage_output(root / "prepare", "prepare") as out:
        prepare_data(DataParams(source="arrays", path=str(root / "data.npz")), "none", 0, out)
    return open_prepared(root / "prepare")
