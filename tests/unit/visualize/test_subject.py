import shutil

import numpy as np
import pytest

from qatflow.errors import ArtifactError, DataError
from qatflow.release.own_data import OwnData
from qatflow.visualize.subject import open_subject
from tests.unit.release.fabricate import bundle, digits, flatbuffer


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return bundle(tmp_path_factory.mktemp("bundle"), flatbuffer("int8"))


def test_a_bundle_alone_has_neither_float_model_nor_data(path, tmp_path):
    found = open_subject(path, None, None, tmp_path / "prepare", tmp_path)
    assert (found.name, found.task, found.model) == ("ptq_w8a8", "classification", flatbuffer("int8"))
    assert found.float_model is None
    assert found.data is None
    assert found.originals == {}


def test_both_are_taken_from_where_the_user_says(path, tmp_path):
    float_model = tmp_path / "float.tflite"
    float_model.write_bytes(flatbuffer("float32"))
    found = open_subject(path, float_model, OwnData("digits"), tmp_path / "prepare", tmp_path)
    assert len(found.originals) == 3
    assert found.outputs.shape == (found.data.test.count, 10)


def test_the_data_lie_in_the_project_around(path, tmp_path):
    inside = tmp_path / "project" / "deployed" / "current"
    shutil.copytree(path, inside)
    shutil.copytree(digits().test._shards._paths[0].parents[1], tmp_path / "project" / "artifacts" / "prepare")
    found = open_subject(inside, None, None, tmp_path / "prepare", tmp_path)
    assert np.array_equal(found.data.test.arrays()[0], digits().test.arrays()[0])


def test_a_damaged_bundle_and_a_float_model_that_is_not_there_are_refused(path, tmp_path):
    with pytest.raises(DataError, match="Cannot read the float model"):
        open_subject(path, tmp_path / "none.tflite", None, tmp_path / "prepare", tmp_path)
    shutil.copytree(path, tmp_path / "broken")
    (tmp_path / "broken" / "model.tflite").write_bytes(b"")
    with pytest.raises(ArtifactError, match=r"model\.tflite was altered"):
        open_subject(tmp_path / "broken", None, None, tmp_path / "prepare", tmp_path)
