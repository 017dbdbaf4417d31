"""Users' model files: every Keras and format gives the same outputs; hostile and broken ones run nothing."""

import json
import zipfile

import h5py
import numpy as np
import pytest

from qatflow.backend import keras as tf_keras
from qatflow.errors import ModelError
from qatflow.models import build
from qatflow.models.files import load_model_file
from qatflow.params.model import ModelParams


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("nested", [False, True])
def test_loads_what_keras_saved(keras, make_model, nested, suffix, tmp_path):
    model = make_model(keras, nested=nested)
    rng = np.random.default_rng(0)
    model.set_weights([rng.uniform(0.1, 1, weight.shape).astype(np.float32) for weight in model.get_weights()])
    model.save(str(tmp_path / f"model{suffix}"))

    loaded = load_model_file(tmp_path / f"model{suffix}")

    x = rng.random((4, 6, 6, 1), np.float32)
    np.testing.assert_allclose(loaded(x), np.asarray(model(x)), atol=1e-6)
    assert [layer.name for layer in loaded.layers] == [layer.name for layer in model.layers]


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_loads_a_model_that_ends_in_a_model_which_holds_another(keras, suffix, tmp_path):
    layers, x = keras.layers, keras.Input((4,))
    innermost = keras.Sequential([keras.Input((4,)), layers.Dense(4), layers.ReLU()])
    inner = keras.Model(x, layers.Dense(2)(innermost(x)))
    y = keras.Input((4,))
    model = keras.Model(y, inner(layers.Rescaling(2.0)(y)))
    model.save(str(tmp_path / f"model{suffix}"))

    loaded, given = load_model_file(tmp_path / f"model{suffix}"), np.ones((3, 4), np.float32)
    assert np.allclose(loaded(given), np.asarray(model(given)), atol=1e-6)


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_loads_a_sequential_model_of_either_keras(keras, suffix, tmp_path):
    layers = keras.layers
    model = keras.Sequential([layers.Input((4,)), layers.Dense(3, activation="relu"), layers.Dense(2)])
    model.save(str(tmp_path / f"model{suffix}"))

    x = np.ones((2, 4), np.float32)
    np.testing.assert_allclose(load_model_file(tmp_path / f"model{suffix}")(x), np.asarray(model(x)), atol=1e-6)


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_code_in_a_lambda_does_not_run(suffix, tmp_path):
    marker = tmp_path / "ran"
    path = tmp_path / f"model{suffix}"
    target = str(marker)
    layers = tf_keras.layers
    evil = layers.Lambda(lambda x: (open(target, "w").close(), x)[1], name="evil")  # noqa: PTH123
    tf_keras.Sequential([layers.Input((4,)), evil, layers.Dense(2)]).save(str(path))
    marker.unlink()

    with pytest.raises(ModelError, match="layer 'evil' is a Lambda, which holds code"):
        load_model_file(path)
    assert not marker.exists()

    if suffix == ".h5":  # the trap: Keras' own loader runs it, safe mode or not
        tf_keras.models.load_model(str(path), safe_mode=True)
        assert marker.exists()


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("share", [0.05, 0.5, 0.99])
def test_refuses_truncated_files(make_model, suffix, share, tmp_path):
    path = tmp_path / f"model{suffix}"
    make_model(tf_keras, nested=False).save(str(path))
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])

    with pytest.raises(ModelError, match=f"Cannot load {path}: .*(truncated|missing|malformed)"):
        load_model_file(path)


@pytest.mark.parametrize("content", [b"", b"PK", b"hello, I am no model", bytes(1000)])
def test_refuses_other_files(content, tmp_path):
    path = tmp_path / "model.keras"
    path.write_bytes(content)

    with pytest.raises(ModelError, match=r"neither a \.keras nor a \.h5 file"):
        load_model_file(path)


def test_refuses_a_missing_file_and_a_folder(tmp_path):
    for path in (tmp_path / "none.h5", tmp_path):
        with pytest.raises(ModelError, match="missing, truncated or damaged"):
            load_model_file(path)


MALFORMED = {
    "a layer without a name": {"class_name": "Dense", "config": {"name": "", "units": 2}},
    "a wrapper of a text": {"class_name": "TimeDistributed", "config": {"name": "d", "layer": "os.system"}},
    "a config that is a list": {"class_name": "Dense", "config": [1]},
    "units that are a text": {"class_name": "Dense", "config": {"name": "d", "units": "many"}},
    "no config": {"class_name": "Dense"},
    "a number": 7,
    "nested deeply": json.loads('{"class_name": "Dense", "config": ' * 900 + "1" + "}" * 900),
}


@pytest.mark.parametrize("what", MALFORMED)
def test_a_malformed_config_is_an_error_in_words(what, tmp_path):
    path = tmp_path / "model.keras"
    tf_keras.Sequential([tf_keras.layers.Input((4,)), tf_keras.layers.Dense(2, name="d")]).save(str(path))
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(members["config.json"])
    config["config"]["layers"][-1] = MALFORMED[what]
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, json.dumps(config) if name == "config.json" else content)

    with pytest.raises(ModelError, match=f"Cannot load {path}: "):
        load_model_file(path)


def test_refuses_files_without_a_model(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.keras", "w") as archive:
        archive.writestr("readme.txt", "nothing")
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file.create_group("layers")

    with pytest.raises(ModelError, match=r"it has no config\.json"):
        load_model_file(tmp_path / "a.keras")
    with pytest.raises(ModelError, match="weights without a model"):
        load_model_file(tmp_path / "b.h5")


def test_a_config_that_asks_for_more_memory_than_there_is_is_refused_before_it_is_built(tmp_path):
    path = tmp_path / "model.h5"
    tf_keras.Sequential([tf_keras.layers.Input((4,)), tf_keras.layers.Dense(2)]).save(str(path))
    with h5py.File(path, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        config["config"]["layers"][-1]["config"]["units"] = 10**12
        file.attrs["model_config"] = json.dumps(config)

    with pytest.raises(ModelError, match="its layers need 5000000000000 weights, it holds 10"):
        load_model_file(path)


def test_weights_may_not_come_from_another_file(tmp_path):
    path, other = tmp_path / "model.h5", tmp_path / "other.h5"
    tf_keras.Sequential([tf_keras.layers.Input((4,)), tf_keras.layers.Dense(2, name="d")]).save(str(path))
    with h5py.File(other, "w") as file:
        file["secret"] = np.zeros((4, 2), np.float32)
    with h5py.File(path, "r+") as file:
        group = file["model_weights/d/d"]
        del group["kernel:0"]
        group["kernel:0"] = h5py.ExternalLink(str(other), "/secret")

    with pytest.raises(ModelError, match="d/kernel:0 is missing"):
        load_model_file(path)


def test_build_takes_a_file(tmp_path):
    path = tmp_path / "model.h5"
    model = tf_keras.Sequential([tf_keras.layers.Input((4,)), tf_keras.layers.Dense(3, activation="softmax")])
    model.save(str(path))

    built = build(ModelParams(name="file", path=str(path)), (4,), 3, "classification")

    x = np.ones((1, 4), np.float32)
    np.testing.assert_array_equal(built(x), model(x))
