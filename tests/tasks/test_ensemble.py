"""The stage `ensemble` on real artifacts: made, switched off, and refused."""

from pathlib import Path

import numpy as np
import pytest

from qatflow import artifacts
from qatflow.data.prepared import open_prepared
from qatflow.errors import ModelError, ParamsError
from qatflow.params.ensemble import EnsembleParams
from qatflow.params.evaluate import EvaluateParams
from qatflow.params.quantize import QuantizeParams
from qatflow.params.root import Params
from qatflow.pipeline.stage import StageRun
from qatflow.progress import silent
from qatflow.tflite.runtime import Runner
from tasks.ensemble import ensemble
from tests.tasks.converted import VARIANTS, fill, opened, place

FILES = [
    "answers.npz",
    "ensemble.json",
    "evaluation.json",
    "manifest.json",
    "model.tflite",
    "outputs.npy",
    "timings.json",
]


def _stage(root: Path, variants: tuple[str, ...] = tuple(VARIANTS), **wanted: object) -> StageRun:
    params = Params(
        quantize=QuantizeParams(variants=variants),
        evaluate=EvaluateParams(latency_runs=20),
        ensemble=EnsembleParams.model_validate(wanted),
    )
    return StageRun(root, params, "", silent)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in which the stages before have run."""
    root = tmp_path_factory.mktemp("project")
    home = fill(_stage(root))
    for variant in VARIANTS:
        _measured(home, variant)
    return root


def _measured(home: Path, variant: str) -> None:
    x, _ = open_prepared(home / "prepare").test.arrays()
    model = (home / "convert" / variant / "model.tflite").read_bytes()
    with artifacts.stage_output(home / "evaluate" / variant, "evaluate") as out:
        if Runner(model).input.shape == x.shape[1:]:
            np.save(out / "outputs.npy", Runner(model).predict(x))
        else:
            np.save(out / "outputs.npy", np.zeros((len(x), 1), np.float32))


def _run(root: Path, **wanted: object) -> tuple[Path, dict[str, object]]:
    ensemble(_stage(root, **wanted))
    return opened(root, "ensemble", "ensemble.json")


def test_it_writes_a_flatbuffer_that_was_measured_like_any_other(root: Path) -> None:
    out, record = _run(root, members=("ptq_w8a8", "qat_w4a8"))
    evaluation = artifacts.read_json(out / "evaluation.json")

    assert sorted(path.name for path in out.iterdir()) == FILES
    assert evaluation["sha256"] == artifacts.sha256_file(out / "model.tflite")
    assert (record["score"], record["ece"]) == (evaluation["score"], evaluation["metrics"]["ece"])
    assert list(record["members"]) == ["ptq_w8a8", "qat_w4a8"]
    assert sum(member["weight"] for member in record["members"].values()) == pytest.approx(1.0)
    assert sorted(record["against"]) == sorted(VARIANTS)


def test_its_parents_are_data_float_model_and_all_variants(root: Path) -> None:
    out, _ = _run(root)

    assert sorted(artifacts.read_json(out / "manifest.json")["parents"]) == sorted(
        ["prepare", "transfer", *(f"{stage}/{name}" for stage in ("convert", "evaluate") for name in VARIANTS)]
    )


@pytest.mark.slow
@pytest.mark.parametrize("combine", ["mean", "weighted", "vote"])
def test_a_repeat_gives_the_same_bytes(root: Path, combine: str) -> None:
    kept = ("ensemble.json", "evaluation.json", "model.tflite", "outputs.npy")
    twice = []
    for _ in range(2):
        out, _ = _run(root, members=tuple(VARIANTS), combine=combine)
        twice.append([artifacts.sha256_file(out / name) for name in kept])

    assert twice[0] == twice[1]


@pytest.mark.slow
def test_the_order_of_the_variants_changes_no_bytes(root: Path) -> None:
    digests = []
    for variants in (tuple(VARIANTS), tuple(reversed(VARIANTS))):
        out, _ = _run(root, variants=variants, members=variants)
        digests.append([artifacts.sha256_file(out / name) for name in ("model.tflite", "ensemble.json")])

    assert digests[0] == digests[1]


def test_switched_off_it_says_so(root: Path) -> None:
    out, record = _run(root, members="none")

    assert sorted(path.name for path in out.iterdir()) == ["ensemble.json", "manifest.json"]
    assert (record["members"], record["reason"]) == ({}, "it is switched off (ensemble.members: none)")


def test_a_single_variant_makes_no_ensemble_and_is_no_mistake(root: Path) -> None:
    _, record = _run(root, variants=("ptq_w8a8",))

    assert (record["members"], record["reason"]) == ({}, "there is only ptq_w8a8 to combine")


def test_an_unknown_combiner_leaves_the_former_output(root: Path) -> None:
    before = (root / "artifacts" / "ensemble" / "manifest.json").read_bytes()

    with pytest.raises(ParamsError, match=r"Unknown combiner 'voting'.*mean 'vote'"):
        _run(root, combine="voting")

    assert (root / "artifacts" / "ensemble" / "manifest.json").read_bytes() == before


def test_members_for_other_data_are_refused(root: Path) -> None:
    place(root / "artifacts", "convert/ptq_w8a16", "regressor")
    _measured(root / "artifacts", "ptq_w8a16")

    with pytest.raises(ModelError, match=r"ptq_w8a16 takes inputs of shape \[64\]; the data have \[8, 8, 1\]"):
        _run(root, variants=("ptq_w8a8", "ptq_w8a16"))
