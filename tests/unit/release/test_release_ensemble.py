"""An ensemble among the candidates of a release: refused if the gain may be chance, else promoted as one bundle."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from qatflow.adapters.in_memory import InMemoryRegistry
from qatflow.ensemble.combine import COMBINERS
from qatflow.ensemble.merge import merge
from qatflow.params.release import ReleaseParams
from qatflow.release.base import Candidate
from qatflow.release.bundle import load_bundle
from qatflow.release.log import PromotionLog
from qatflow.release.release import Desk, release_candidates
from tests.unit.release.fabricate import GATES, candidate, changed, digits, flatbuffer, inputs, lineage

GATED = ReleaseParams(name="digits").model_copy(update={"gates": GATES | {"beats_members": {"alpha": 0.05}}})
SINGLES = candidate(), candidate("qat_w4a8", flatbuffer("int4"), trained=True)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(GATED, InMemoryRegistry("digits"), PromotionLog(tmp_path, "digits"), "nightly")


def ensemble(wrong: int) -> Candidate:
    """Combine both; how many it gets wrong is made up, the flatbuffer is real."""
    members = {one.variant: {"weight": 0.5, "sha256": one.sha256, "score": one.score} for one in SINGLES}
    model = merge({one.variant: one.model for one in SINGLES}, COMBINERS["mean"], [0.5, 0.5])
    record = {
        "combine": "mean", "members": members, "best": "ptq_w8a8", "size_ratio": 1.9, "disagreement": 0.01,
        "against": {one.variant: {"gain": 0.01, "p": 0.01} for one in SINGLES},
    }  # fmt: skip
    made, single = candidate("ensemble", model), SINGLES[0].answers["test"]
    merit = single.merit.copy()
    merit[np.flatnonzero(merit == 0.0)[wrong:]] = 1.0
    val = made.answers["val"]
    answers = {"test": replace(single, merit=merit), "val": replace(val, merit=np.ones_like(val.merit))}
    return replace(changed(made, score=float(merit.mean())), ensemble=record, answers={**made.answers, **answers})


def release(desk: Desk, out: Path, wrong: int) -> dict:
    combined = ensemble(wrong)
    given = inputs(*SINGLES, combined)
    named = {name: member["sha256"] for name, member in combined.members.items()}
    lineages = {**given.lineage, "ensemble": lineage().model_copy(update={"members": named})}
    out.mkdir()
    return release_candidates(desk, replace(given, lineage=lineages), out)


def test_significantly_better_it_is_promoted_as_one_bundle(desk: Desk, tmp_path: Path):
    receipt = release(desk, tmp_path / "out", 0)
    bundle = load_bundle(tmp_path / "out" / "bundle")

    assert (receipt.decision, receipt.variant) == ("promoted", "ensemble")
    assert bundle.manifest.lineage.members == {one.variant: one.sha256 for one in SINGLES}
    assert bundle.manifest.labels == digits().class_names
    assert json.loads((tmp_path / "out" / "bundle" / "ensemble.json").read_text())["combine"] == "mean"
    assert "combined by `mean`: `ptq_w8a8` (weight 0.5)" in (bundle.path / "MODEL_CARD.md").read_text()


def test_better_by_chance_a_single_model_ships(desk: Desk, tmp_path: Path):
    receipt = release(desk, tmp_path / "out", 6)

    assert (receipt.decision, receipt.variant) == ("promoted", "qat_w4a8")
    refused = next(reason for reason in receipt.reasons if reason.startswith("ensemble: "))
    assert "refused by beats_members: not shown to be better than qat_w4a8, the best single model: +0.0" in refused
