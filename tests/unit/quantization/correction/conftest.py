from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from qatflow.tflite.rewrite import pack, parse

GOLDEN = Path(__file__).parents[3] / "golden"


@pytest.fixture(scope="session")
def golden():
    """Name -> flatbuffer; see tests/golden/make.py."""
    return {path.stem: path.read_bytes() for path in GOLDEN.glob("*.tflite")}


@pytest.fixture(scope="session")
def images():
    """The digits as the golden classifiers take them, (1797, 8, 8, 1) float32."""
    return (load_digits().data.reshape(-1, 8, 8, 1) / 16).astype(np.float32)


@pytest.fixture(scope="session")
def edited():
    """Return a model after `change` was applied to its flatbuffer tree."""

    def edit(model, change):
        tree = parse(model)
        change(tree)
        return pack(tree)

    return edit
