"""What a release reads from the stages' outputs."""

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from qatflow import artifacts
from qatflow.data.prepare import prepare_data
from qatflow.ensemble.combine import COMBINERS
from qatflow.ensemble.merge import merge
from qatflow.errors import ArtifactError
from qatflow.evaluation.answers import save_answers
from qatflow.params.data import DataParams
from qatflow.params.quantize import QuantizeParams
from qatflow.params.root import Params
from qatflow.params.transfer import TransferParams
from qatflow.release.base import Candidate
from qatflow.release.candidates import metrics_of, read_inputs, uncommitted
from tests.unit.release.fabricate import candidate, changed, flatbuffer, inputs, timed

VARIANTS = ("ptq_w8a8", "qat_w4a8")
PARAMS = Params(quantize=QuantizeParams(variants=VARIANTS))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project in which the stages before the release have run."""
    home = tmp_path / "artifacts"
    with artifacts.stage_output(home / "prepare", "prepare") as out:
        prepare_data(DataParams(), "unit", 42, out)
    for stage in ("pretrain", "transfer"):
        with artifacts.stage_output(home / stage, stage) as out:
            (out / "model.tflite").write_bytes(flatbuffer("float32"))
    for variant, model in zip(VARIANTS, (flatbuffer("int8"), flatbuffer("int4")), strict=True):
        with artifacts.stage_output(home / "quantize" / variant, "quantize") as out:
            artifacts.write_json(out / "recipe.json", {"strategy": variant, "trained": variant.startswith("qat")})
        with artifacts.stage_output(home / "convert" / variant, "convert") as out:
            (out / "model.tflite").write_bytes(model)
        with artifacts.stage_output(home / "evaluate" / variant, "evaluate") as out:
            measured = candidate(variant, model)
            measured.evaluation.write(out)
            measured.timings.write(out)
            save_answers(out / "answers.npz", measured.answers)
    with artifacts.stage_output(home / "ensemble", "ensemble") as out:
        artifacts.write_json(out / "ensemble.json", {"members": {}, "reason": "switched off"})
    explained(tmp_path, {"ptq_w8a8": flatbuffer("int8"), "qat_w4a8": flatbuffer("int4")})
    return tmp_path


def explained(root: Path, models: dict[str, bytes]) -> None:
    """Let the stage `explain` have explained these."""
    record = {
        name: {"sha256": artifacts.sha256_bytes(model), "drift": {"rank_correlation": {"mean": 0.97}}}
        for name, model in models.items()
    }
    with artifacts.stage_output(root / "artifacts" / "explain", "explain") as out:
        artifacts.write_json(out / "explanation.json", {"models": record})


def combined(root: Path) -> Candidate:
    """Let the stage `ensemble` have made one of both variants."""
    model = merge({"ptq_w8a8": flatbuffer("int8"), "qat_w4a8": flatbuffer("int4")}, COMBINERS["mean"], [0.5, 0.5])
    measured = candidate("ensemble", model)
    members = {
        name: {"weight": 0.5, "sha256": artifacts.sha256_bytes(flatbuffer(golden))}
        for name, golden in (("ptq_w8a8", "int8"), ("qat_w4a8", "int4"))
    }
    with artifacts.stage_output(root / "artifacts" / "ensemble", "ensemble") as out:
        (out / "model.tflite").write_bytes(model)
        measured.evaluation.write(out)
        measured.timings.write(out)
        save_answers(out / "answers.npz", measured.answers)
        artifacts.write_json(out / "ensemble.json", {"members": members, "combine": "mean"})
    explained(root, {"ptq_w8a8": flatbuffer("int8"), "qat_w4a8": flatbuffer("int4"), "ensemble": model})
    return measured


def test_candidates_are_what_the_stages_measured(root: Path):
    found = read_inputs(root, PARAMS, "abc.dir")

    assert tuple(found.candidates) == VARIANTS
    for variant, name in zip(VARIANTS, ("int8", "int4"), strict=True):
        read, measured = found.candidates[variant], candidate(variant, flatbuffer(name))
        assert (read.model, read.evaluation, read.timings) == (measured.model, measured.evaluation, measured.timings)
        assert read.trained == variant.startswith("qat")
        assert read.answers["test"].score == measured.score
        assert read.answers["val"].score == measured.answers["val"].score


def test_lineage_names_data_parameters_and_every_stages_manifest(root: Path):
    lineage = read_inputs(root, PARAMS, "abc.dir").lineage["qat_w4a8"]
    card = json.loads((root / "artifacts" / "prepare" / "data_card.json").read_text())

    assert (lineage.git_commit, lineage.data_md5, lineage.data_sha256) == (None, "abc.dir", card["sha256"])
    assert sorted(lineage.stages) == [
        "convert/qat_w4a8",
        "evaluate/qat_w4a8",
        "prepare",
        "pretrain",
        "quantize/qat_w4a8",
        "transfer",
    ]
    assert lineage.stages["prepare"] == artifacts.sha256_file(root / "artifacts" / "prepare" / "manifest.json")
    other = read_inputs(root, PARAMS.model_copy(update={"seed": 1}), None).lineage["qat_w4a8"]
    assert other.params_sha256 != lineage.params_sha256


def test_the_ensemble_is_one_more_candidate(root: Path):
    measured = combined(root)

    found = read_inputs(root, PARAMS, None).candidates["ensemble"]

    assert (found.model, found.evaluation, found.trained) == (measured.model, measured.evaluation, False)
    assert list(found.members) == ["ptq_w8a8", "qat_w4a8"]
    assert found.answers["test"].score == measured.score


def test_its_lineage_is_that_of_its_members_and_their_bytes(root: Path):
    combined(root)

    lineage = read_inputs(root, PARAMS, None).lineage["ensemble"]

    assert {"ensemble", "quantize/ptq_w8a8", "quantize/qat_w4a8", "prepare"} < set(lineage.stages)
    assert lineage.members == {
        "ptq_w8a8": artifacts.sha256_bytes(flatbuffer("int8")),
        "qat_w4a8": artifacts.sha256_bytes(flatbuffer("int4")),
    }


def test_an_altered_ensemble_is_refused(root: Path):
    combined(root)
    (root / "artifacts" / "ensemble" / "model.tflite").write_bytes(flatbuffer("int8"))

    with pytest.raises(ArtifactError, match="was altered"):
        read_inputs(root, PARAMS, None)


def test_lineage_names_the_commit_that_is_checked_out(root: Path):
    git = ["git", "-C", str(root), "-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run([*git, "init", "-q"], check=True)
    assert read_inputs(root, PARAMS, None).lineage["ptq_w8a8"].git_commit is None

    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "first"], check=True)
    head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    assert read_inputs(root, PARAMS, None).lineage["ptq_w8a8"].git_commit == head


@pytest.mark.parametrize("folder", ["prepare", "quantize/qat_w4a8", "convert/qat_w4a8", "evaluate/qat_w4a8"])
def test_an_output_that_is_altered_or_missing_is_refused(root: Path, folder: str):
    path = root / "artifacts" / folder
    victim = next(file for file in sorted(path.rglob("*")) if file.is_file() and file.name != "manifest.json")
    victim.write_bytes(victim.read_bytes() + b" ")
    with pytest.raises(ArtifactError, match="was altered"):
        read_inputs(root, PARAMS, None)

    shutil.rmtree(path)
    with pytest.raises(ArtifactError, match="is missing"):
        read_inputs(root, PARAMS, None)


def test_figures_of_another_model_are_refused(root: Path):
    with artifacts.stage_output(root / "artifacts" / "convert" / "ptq_w8a8", "convert") as out:
        (out / "model.tflite").write_bytes(flatbuffer("int8", padding=4))

    with pytest.raises(ArtifactError, match="measured another model than"):
        read_inputs(root, PARAMS, None)


def test_the_digest_follows_everything_that_is_decided_on():
    one = candidate()
    other_time = timed(one, latency_ratio=0.9)
    digests = {
        inputs(each).digest()
        for each in (one, changed(one, score=0.5), changed(one, model=b"x"), other_time, replace(one, variant="z"))
    }

    assert len(digests) == 5
    assert inputs(one).digest() == inputs(replace(one)).digest()


def test_metrics_are_numbers_by_name():
    metrics = metrics_of(candidate())

    assert metrics["accuracy"] == metrics["score"] == candidate().score
    assert (metrics["size_bytes"], metrics["latency_p50_us"]) == (float(len(flatbuffer("int8"))), 12.5)
    assert "per_class" not in metrics


def test_candidates_know_how_far_their_reasons_drifted(root: Path):
    found = read_inputs(root, PARAMS, None)

    assert [one.explanation for one in found.candidates.values()] == [{"rank_correlation": {"mean": 0.97}}] * 2
    assert metrics_of(found.candidates["qat_w4a8"])["explanation_rank_correlation"] == 0.97
    before = found.digest()
    explained(root, {})

    found = read_inputs(root, PARAMS, None)

    assert [one.explanation for one in found.candidates.values()] == [{}, {}]
    assert "explanation_rank_correlation" not in metrics_of(found.candidates["qat_w4a8"])
    assert found.digest() != before


def test_an_explanation_of_another_model_is_refused(root: Path):
    explained(root, {"ptq_w8a8": flatbuffer("int8"), "qat_w4a8": flatbuffer("int8")})

    with pytest.raises(ArtifactError, match=r"explain explains another qat_w4a8 than the candidate"):
        read_inputs(root, PARAMS, None)


def test_code_and_parameters_that_are_not_in_the_commit_are_named(tmp_path: Path):
    def git(*words: str) -> None:
        command = ["git", "-c", "user.name=a", "-c", "user.email=a@b", *words]
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)

    assert uncommitted(tmp_path) == ()
    (tmp_path / "src").mkdir()
    for name in ("params.yaml", "src/a.py", "notes.txt"):
        (tmp_path / name).write_text("a")
    git("init", "-q")
    git("add", "-A")
    git("commit", "-qm", "first")
    assert uncommitted(tmp_path) == ()
    for name in ("params.yaml", "src/b \u00e9.py", "notes.txt"):
        (tmp_path / name).write_text("b")

    assert uncommitted(tmp_path) == ("params.yaml", "src/b \u00e9.py")


def test_models_from_elsewhere_are_known_as_such(root: Path):
    own = read_inputs(root, PARAMS, None).candidates
    transferred = PARAMS.model_copy(update={"transfer": TransferParams(source="file", path="a.h5")})

    assert not any(one.is_foreign for one in own.values())
    assert all(one.is_foreign for one in read_inputs(root, transferred, None).candidates.values())
