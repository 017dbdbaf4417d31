import shutil
from pathlib import Path

import pytest

from qatflow.errors import ArtifactError, StageError
from qatflow.identity import code_digest
from qatflow.sweep.origin import MEASURES, check_origin, origin_of, prepared_folder


def test_the_code_is_what_a_trial_runs_and_not_the_sweep_around_it():
    code = code_digest(MEASURES)
    assert {"qatflow.sweep.float_model", "qatflow.quantization.grid", "qatflow.training.loop"} <= set(code.modules)
    assert not {"qatflow.sweep.study", "qatflow.sweep.play", "qatflow.params", "qatflow.cli"} & set(code.modules)
    assert {"tensorflow", "tf-keras", "tensorflow-model-optimization", "ai-edge-litert", "numpy"} <= set(code.packages)


def test_a_worker_with_the_same_code_and_data_is_taken(project):
    check_origin(project.root, project.origin)


@pytest.mark.parametrize(("name", "mend"), [("code", "the same commit"), ("data", "dvc repro prepare")])
def test_a_worker_with_others_is_refused(project, name, mend):
    with pytest.raises(StageError, match=f"other {name} than the flow; it needs .*{mend}"):
        check_origin(project.root, {**project.origin, name: "0" * 64})


def test_a_worker_without_data_or_with_altered_data_is_refused(project, tmp_path):
    with pytest.raises(ArtifactError, match="missing"):
        origin_of(tmp_path)
    copy = shutil.copytree(prepared_folder(project.root), prepared_folder(tmp_path))
    (Path(copy) / "data_card.json").write_text("{}")
    with pytest.raises(ArtifactError, match="altered"):
        origin_of(tmp_path)
