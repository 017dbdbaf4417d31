import h5py
import numpy as np
import pytest

from qatflow.backend import keras
from qatflow.errors import ModelError
from qatflow.models.hdf5 import elements, follow, follow_array, load_hdf5


@pytest.fixture
def file(tmp_path):
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["array"] = np.arange(3)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["group/array"] = np.arange(3)
        file["link"] = h5py.SoftLink("/group/array")
        file["outside"] = h5py.ExternalLink("other.h5", "/")
        yield file


def test_follows_plain_paths(file):
    assert follow_array(file, "group/array")[()].tolist() == [0, 1, 2]


@pytest.mark.parametrize("path", ["link", "outside", "outside/array", "group/none", "group/array/deeper"])
def test_refuses_links_and_missing_parts(file, path):
    with pytest.raises(ModelError, match=f"{path} is missing"):
        follow(file, path)


@pytest.mark.parametrize("path", ["group/array", "group"])
def test_refuses_what_has_several_names(file, path):
    file["again"] = file[path]

    with pytest.raises(ModelError, match=r"again has several names in the file"):
        follow(file, "again")


def test_refuses_groups_and_data_that_lie_elsewhere(file, tmp_path):
    file.create_dataset("external", (4,), "u1", external=str(tmp_path / "secret"))
    layout = h5py.VirtualLayout((3,), "i8")
    layout[:] = h5py.VirtualSource("other.h5", "array", (3,))
    file.create_virtual_dataset("virtual", layout)

    for path in ("group", "external", "virtual"):
        with pytest.raises(ModelError, match="is no array of this file"):
            follow_array(file, path)


@pytest.mark.parametrize("value", ["text", np.zeros(3, [("a", "f4"), ("b", "f4")]), h5py.Empty("f4"), [True, False]])
def test_refuses_what_is_no_array_of_numbers(file, value):
    file["odd"] = value

    with pytest.raises(ModelError, match="no array of numbers"):
        follow_array(file, "odd")


@pytest.mark.parametrize("settings", [{}, {"chunks": True}, {"chunks": True, "compression": "gzip"}, {"fillvalue": 7}])
def test_refuses_values_that_the_file_does_not_hold(file, settings):
    file.create_dataset("huge", (20_000, 20_000), "f4", **settings)

    with pytest.raises(ModelError, match="1600000000 bytes, of which the file does not hold all"):
        follow_array(file, "huge")


def test_refuses_an_array_of_which_a_part_was_written(file):
    part = file.create_dataset("part", (100, 100), "f4", chunks=(10, 10))
    part[:50] = 1

    with pytest.raises(ModelError, match="does not hold all"):
        follow_array(file, "part")


def test_takes_weights_that_are_compressed_and_refuses_zeros_that_are(file):
    values = np.random.default_rng(0).normal(size=(512, 1024)).round(1).astype("f4")
    file.create_dataset("weights", data=values, chunks=(64, 1024), compression="gzip")
    file.create_dataset("zeros", data=np.zeros((2048, 1024), "f4"), chunks=(64, 1024), compression="gzip")

    assert (follow_array(file, "weights")[()] == values).all()
    with pytest.raises(ModelError, match=r"unpacks from \d+ to 8388608 bytes"):
        follow_array(file, "zeros")


def test_counts_all_arrays_before_one_is_read(file, monkeypatch):
    arrays = [file.create_dataset(f"array{number}", data=np.zeros(100)) for number in range(3)]
    assert elements(arrays) == 300

    with pytest.raises(ModelError, match="lie over each other"):
        elements(arrays * 100)
    monkeypatch.setattr("qatflow.models.hdf5.MAX_BYTES", 2000)
    with pytest.raises(ModelError, match="2400 bytes together; at most 2000"):
        elements(arrays)


def test_refuses_weights_behind_a_link_to_another_file(tmp_path):
    path, private = tmp_path / "model.h5", tmp_path / "private.h5"
    keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(2, name="d")]).save(str(path))
    path.rename(private)
    with h5py.File(private) as file, h5py.File(path, "w") as hostile:
        hostile.attrs["model_config"] = file.attrs["model_config"]
        hostile["model_weights"] = h5py.ExternalLink(str(private), "model_weights")

    with pytest.raises(ModelError, match="model_weights is missing"):
        load_hdf5(path)


def test_refuses_weights_of_another_layer(tmp_path):
    path = tmp_path / "model.h5"
    keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(2, name="d")]).save(str(path))
    with h5py.File(path, "r+") as file:
        group = file["model_weights/d/d"]
        del group["kernel:0"]
        group["kernel:0"] = np.zeros((2, 4), np.float32)

    with pytest.raises(ModelError, match=r"layer 'd': d/kernel:0 is \(2, 4\)"):
        load_hdf5(path)


@pytest.mark.parametrize(
    ("place", "attribute"), [("model_weights", "layer_names"), ("model_weights/d", "weight_names")]
)
def test_refuses_names_that_are_there_again_and_again(tmp_path, place, attribute):
    path = tmp_path / "model.h5"
    keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(2, name="d")]).save(str(path))
    with h5py.File(path, "r+") as file:
        names = file[place].attrs[attribute]
        file[place].attrs[attribute] = np.repeat(names, 1000)

    with pytest.raises(ModelError, match="is named twice"):
        load_hdf5(path)
