import shutil

import pytest

from qatflow import artifacts
from qatflow.errors import ArtifactError
from qatflow.release.bundle import build_bundle, load_bundle
from qatflow.report.around import data_of, float_model_of
from tests.unit.release.fabricate import candidate, digits, flatbuffer, lineage


@pytest.fixture
def project(tmp_path):
    """A project with data, float model and a bundle made from them."""
    shutil.copytree(digits().test._shards._paths[0].parents[1], tmp_path / "artifacts" / "prepare")
    with artifacts.stage_output(tmp_path / "artifacts" / "transfer", "transfer") as out:
        artifacts.write_bytes(out / "model.tflite", flatbuffer("float32"))
    made_from = {"transfer": artifacts.sha256_file(tmp_path / "artifacts" / "transfer" / "manifest.json")}
    build_bundle(tmp_path / "bundle", candidate(), digits(), lineage().model_copy(update={"stages": made_from}))
    return tmp_path


@pytest.fixture
def made(project):
    return load_bundle(project / "bundle")


def test_data_and_float_model_are_found_from_the_bundle_upwards(project, made):
    assert data_of(made, project / "bundle").test.count == digits().test.count
    assert float_model_of(made, project / "bundle") == flatbuffer("float32")


def test_nothing_is_found_elsewhere(made, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    assert data_of(made, elsewhere) is None
    assert float_model_of(made, elsewhere) is None


def test_another_runs_float_model_and_data_are_not_taken(project, made):
    other = made.manifest.lineage.model_copy(update={"stages": {"transfer": "0" * 64}, "data_sha256": "0" * 64})
    stranger = type(made)(made.path, made.manifest.model_copy(update={"lineage": other}), made.model)
    assert float_model_of(stranger, project) is None
    assert data_of(stranger, project) is None


def test_an_altered_float_model_is_refused(project, made):
    (project / "artifacts" / "transfer" / "model.tflite").write_bytes(b"other")
    with pytest.raises(ArtifactError, match="was altered"):
        float_model_of(made, project)
