import zipfile

import pytest

from qatflow.backend import keras
from qatflow.errors import ModelError
from qatflow.models.keras_zip import load_keras_zip


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "model.keras"
    keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(2, name="d")]).save(str(path))
    return path


def rewrite(path, **members):
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()} | members
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in content.items():
            if data is not None:
                archive.writestr(name, data)


def test_refuses_a_bomb_before_it_unpacks_it(saved):
    rewrite(saved, **{"config.json": bytes(100 << 20)})

    with pytest.raises(ModelError, match=r"config\.json has 104857600 bytes; at most"):
        load_keras_zip(saved)


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_refuses_weights_that_unpack_to_more_than_weights_do(saved, method):
    rewrite(saved, **{"model.weights.h5": None})
    with zipfile.ZipFile(saved, "a") as archive:
        archive.writestr("model.weights.h5", bytes(64 << 20), method)

    with pytest.raises(ModelError, match=r"model\.weights\.h5 unpacks from \d+ to 67108864 bytes, as no weights do"):
        load_keras_zip(saved)


def test_refuses_a_zip_without_weights(saved):
    rewrite(saved, **{"model.weights.h5": None})

    with pytest.raises(ModelError, match=r"it has no model\.weights\.h5"):
        load_keras_zip(saved)


def test_refuses_weights_of_another_model(saved, tmp_path):
    other = tmp_path / "other.keras"
    layers = keras.layers
    keras.Sequential([layers.Input((4, 4, 1)), layers.Conv2D(2, 2, name="d")]).save(str(other))
    with zipfile.ZipFile(other) as archive:
        rewrite(saved, **{"model.weights.h5": archive.read("model.weights.h5")})

    with pytest.raises(ModelError, match="layers/dense is missing"):
        load_keras_zip(saved)
