import h5py
import numpy as np
import pytest

from qatflow.backend import keras
from qatflow.errors import ModelError
from qatflow.models.hdf5 import follow, load_hdf5, read_array


@pytest.fixture
def file(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["group/array"] = np.arange(3)
        file["link"] = h5py.SoftLink("/group/array")
        yield file


def test_follows_plain_paths(file):
    assert read_array(follow(file, "group/array")).tolist() == [0, 1, 2]


@pytest.mark.parametrize("path", ["link", "group/none", "group/array/deeper"])
def test_refuses_links_and_missing_parts(file, path):
    with pytest.raises(ModelError, match=f"{path} is missing"):
        follow(file, path)


def test_refuses_groups_and_data_that_lie_elsewhere(file, tmp_path):
    outside = file.create_dataset("outside", (4,), "u1", external=str(tmp_path / "secret"))

    for entry in (file["group"], outside):
        with pytest.raises(ModelError, match="is no array of this file"):
            read_array(entry)


def test_refuses_arrays_larger_than_memory_should_be(file):
    huge = file.create_dataset("huge", (1 << 40,), "u1", chunks=(1 << 20,), compression="gzip")

    with pytest.raises(ModelError, match="1099511627776 bytes; at most"):
        read_array(huge)


def test_refuses_weights_of_another_layer(tmp_path):
    path = tmp_path / "model.h5"
    keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(2, name="d")]).save(str(path))
    with h5py.File(path, "r+") as file:
        group = file["model_weights/d/d"]
        del group["kernel:0"]
        group["kernel:0"] = np.zeros((2, 4), np.float32)

    with pytest.raises(ModelError, match=r"layer 'd': d/kernel:0 is \(2, 4\)"):
        load_hdf5(path)
