import numpy as np
import pytest

from qatflow.errors import ArtifactError
from qatflow.models import ARCHITECTURES
from qatflow.models.store import load_model, save_model


@pytest.fixture
def saved(tmp_path):
    save_model(ARCHITECTURES["mlp"]((4,), 2, 0.1, "regression"), tmp_path)
    return tmp_path


def test_equal_models_give_equal_bytes(saved, tmp_path):
    (tmp_path / "again").mkdir()

    save_model(load_model(saved), tmp_path / "again")

    for name in ("architecture.json", "weights.npz"):
        assert (tmp_path / "again" / name).read_bytes() == (saved / name).read_bytes()


def test_refuses_missing_files(tmp_path):
    with pytest.raises(ArtifactError, match="holds no usable model"):
        load_model(tmp_path)


def test_refuses_code(saved):
    text = (saved / "architecture.json").read_text()
    (saved / "architecture.json").write_text(text.replace('"Flatten"', '"Lambda"'))

    with pytest.raises(ArtifactError, match="is a Lambda, which holds code"):
        load_model(saved)


def test_refuses_weights_of_another_model(saved):
    with np.load(saved / "weights.npz") as file:
        arrays = {name: file[name].T for name in file.files}
    np.savez(saved / "weights.npz", **arrays)

    with pytest.raises(ArtifactError, match="dense1/kernel"):
        load_model(saved)
