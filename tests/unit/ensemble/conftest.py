from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from qatflow.artifacts import stage_output
from qatflow.data.prepare import prepare_data
from qatflow.data.prepared import open_prepared
from qatflow.params import DataParams
from qatflow.tflite.rewrite import pack, parse

GOLDEN = Path(__file__).parents[2] / "golden"


@pytest.fixture(scope="session")
def golden():
    """Name -> flatbuffer; see tests/golden/make.py."""
    return {path.stem: path.read_bytes() for path in GOLDEN.glob("*.tflite")}


@pytest.fixture(scope="session")
def classifiers(golden):
    """Four classifiers of digits: two take int8, two float32."""
    return {name: golden[name] for name in ("int8", "int4", "float16", "float32")}


@pytest.fixture(scope="session")
def diverse(golden):
    """Three classifiers that err apart: the float one with other noise on the weights of its last layer each time."""

    def noisy(seed):
        tree = parse(golden["float32"])
        weights = max((t for t in tree.subgraphs[0].tensors if len(t.shape) == 2), key=lambda t: np.prod(t.shape))
        values = tree.buffers[weights.buffer].data.view(np.float32)
        noise = np.random.default_rng(seed).normal(0, 0.5 * values.std(), values.shape)
        tree.buffers[weights.buffer].data = np.frombuffer((values + noise).astype(np.float32).tobytes(), np.uint8)
        return pack(tree)

    return {f"noisy{seed}": noisy(seed) for seed in (0, 1, 3)}


@pytest.fixture(scope="session")
def images():
    return (load_digits().images[..., None] / 16).astype(np.float32)


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
def digits(make_data):
    return make_data("unit", source="digits")


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
