import numpy as np
import pytest

from qatflow.backend import keras
from qatflow.errors import ArtifactError
from qatflow.quantization import STRATEGIES
from qatflow.quantization.store import load_quantized, save_quantized

layers = keras.layers
STRATEGY = STRATEGIES["qat_w8a8_per_channel"]


@pytest.fixture
def model(sequence):
    return sequence((6, 6, 1), layers.Conv2D(4, 3, name="conv"), layers.Flatten(name="flat"))


@pytest.fixture
def saved(model, tmp_path):
    save_quantized(STRATEGY.prepare(model), tmp_path)
    return tmp_path


def test_keeps_names_and_order(saved, model):
    with np.load(saved / "weights.npz") as file:
        names = file.files

    assert names[3:5] == ["0003/conv/kernel:0", "0004/conv/bias:0"]
    assert names[-1] == "0010/quant_flat/optimizer_step:0"


def test_refuses_another_model(saved, sequence):
    other = sequence((6, 6, 1), layers.Conv2D(5, 3, name="conv"), layers.Flatten(name="flat"))

    with pytest.raises(ArtifactError, match=r"was not made from this model and strategy: .*\(3, 3, 1, 4\)"):
        load_quantized(STRATEGY, other, saved)


def test_refuses_another_strategy(saved, model):
    with pytest.raises(ArtifactError, match="was not made from this model and strategy"):
        load_quantized(STRATEGIES["qat_w8a8_per_tensor"], model, saved)


def test_refuses_a_missing_file(model, tmp_path):
    with pytest.raises(ArtifactError, match="cannot be read as arrays"):
        load_quantized(STRATEGY, model, tmp_path)
