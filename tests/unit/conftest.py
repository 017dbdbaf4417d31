"""Golden flatbuffers, and data of every task prepared as the prepare stage does."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from qatflow.artifacts import stage_output
from qatflow.data.prepare import prepare_data
from qatflow.data.prepared import open_prepared
from qatflow.params.data import DataParams

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.fixture(scope="session")
def golden():
    """Name -> flatbuffer; see tests/golden/make.py."""
    return {path.stem: path.read_bytes() for path in GOLDEN.glob("*.tflite")}


@pytest.fixture(scope="session")
def make_data(tmp_path_factory):
    """Prepare data as the prepare stage does."""

    def make(normalization, **data):
        directory = tmp_path_factory.mktemp("prepared") / "prepare"
        with stage_output(directory, "prepare") as out:
            prepare_data(DataParams(**data), normalization, 42, out)
        return open_prepared(directory)

    return make


@pytest.fixture(scope="session")
def brightness(make_data, tmp_path_factory):
    """Regression: the mean brightness of an image of 64 pixels, what the golden regressor learnt."""
    x = (load_digits().data / 16).astype(np.float32)
    path = tmp_path_factory.mktemp("brightness") / "data.npz"
    np.savez(path, x=x, y=x.mean(axis=1, keepdims=True))
    return make_data("none", source="arrays", path=str(path), task="regression")


@pytest.fixture(scope="session")
def strange_digits(make_data, tmp_path_factory):
    """Anomaly detection: digits are normal, digits with shuffled pixels are not."""
    x = (load_digits().data / 16).astype(np.float32)
    y = np.arange(len(x)) % 4 == 0
    x[y] = np.random.default_rng(0).permuted(x[y], axis=1)
    train, test = slice(0, 1400), slice(1400, None)
    path = tmp_path_factory.mktemp("strange") / "data.npz"
    np.savez(
        path,
        x_train=x[train][~y[train]],
        y_train=y[train][~y[train]].astype(np.int64),
        x_test=x[test],
        y_test=y[test].astype(np.int64),
    )
    return make_data("none", source="arrays", path=str(path), task="anomaly")
