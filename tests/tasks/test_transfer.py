"""The stage `transfer` on real artifacts: passed on, from a file, and from what a release registered."""

from pathlib import Path

import pytest

from qatflow.artifacts import read_json, verify
from qatflow.errors import ModelError
from qatflow.models.store import load_model
from qatflow.params.data import DataParams
from qatflow.params.pretrain import PretrainParams
from qatflow.params.root import Params
from qatflow.params.transfer import TransferParams
from qatflow.pipeline.stage import StageRun
from qatflow.progress import silent
from tasks.prepare import prepare
from tasks.pretrain import pretrain
from tasks.transfer import transfer

pytestmark = pytest.mark.slow
SHORT = {"epochs": 2, "batch_size": 16, "learning_rate": 0.01}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("project")
    for stage in (prepare, pretrain):
        stage(_stage(root, TransferParams()))
    return root


def _stage(root: Path, settings: TransferParams, epochs: int = 2) -> StageRun:
    data, training = DataParams(max_samples=130), PretrainParams(**SHORT | {"epochs": epochs})
    return StageRun(root, Params(data=data, pretrain=training, transfer=settings), "", silent)


def test_without_a_source_the_pretrained_model_is_passed_on(project: Path) -> None:
    transfer(_stage(project, TransferParams()))

    home = project / "artifacts"
    verify(home / "transfer")
    for name in ("architecture.json", "weights.npz", "model.tflite"):
        assert (home / "transfer" / name).read_bytes() == (home / "pretrain" / name).read_bytes()
    assert read_json(home / "transfer" / "transfer.json") == {"source": "none"}


def test_a_file_is_transferred_and_held_against_training_from_scratch(project: Path) -> None:
    model = load_model(project / "artifacts" / "pretrain")
    model.save(project / "theirs.keras")
    settings = TransferParams(source="file", path=str(project / "theirs.keras"), head_epochs=2, **SHORT)

    transfer(_stage(project, settings))

    home = project / "artifacts" / "transfer"
    record = read_json(home / "transfer.json")
    assert (record["source"], record["backbone"]) == ("file", "small_cnn")
    assert record["val_score"] >= record["val_score_from_scratch"]
    assert [row["epoch"] for row in read_json(home / "history.json")] == [1, 2, 3, 4]
    assert load_model(home).layers[-1].units == 10


def test_a_mistake_leaves_the_former_output(project: Path) -> None:
    before = (project / "artifacts" / "transfer" / "manifest.json").read_bytes()

    with pytest.raises(ModelError, match="Cannot load nowhere"):
        transfer(_stage(project, TransferParams(source="file", path="nowhere.keras")))

    assert (project / "artifacts" / "transfer" / "manifest.json").read_bytes() == before
