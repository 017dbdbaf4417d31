import numpy as np
import pytest
from sklearn.datasets import load_digits

from qatflow.tflite.rewrite import pack, parse


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
def digits(make_data):
    return make_data("unit", source="digits")
