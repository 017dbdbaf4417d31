"""Noise promotes nobody: the gate against the present champion."""

from dataclasses import replace

import numpy as np

from qatflow.release.base import Champion, GateResult
from qatflow.release.gates.beats_champion import BeatsChampion
from tests.unit.release.fabricate import candidate, changed, context

SAMPLES = 400


def right(wrong: int) -> np.ndarray:
    """The first `wrong` of all samples are wrong."""
    return np.arange(SAMPLES) >= wrong


def champion(wrong: int = 20, **fields) -> Champion:
    values = {
        "version": 7, "variant": "ptq_w8a8", "sha256": "0" * 64, "score": 1 - wrong / SAMPLES, "correct": right(wrong),
        "size_bytes": 1000, "latency_us": 10.0,
    }  # fmt: skip
    return Champion(**(values | fields))


def judge(wrong: int, standing: Champion | None, size: int = 1000, **fields) -> GateResult:
    judged = changed(candidate(), score=1 - wrong / SAMPLES, model=bytes(size))
    judged = replace(judged, correct=right(wrong))
    return BeatsChampion()(judged, context(judged, champion=standing, **fields), {"alpha": 0.05, "min_saving": 0.05})


def test_without_a_champion_it_passes():
    assert judge(399, None).reason == "there is no champion yet"
    assert judge(399, None).passed


def test_a_significantly_better_model_passes():
    result = judge(10, champion(20))

    assert result.passed
    assert result.measured == 2 * 0.5**10  # McNemar's exact p for 10 samples against 0


def test_a_better_model_within_noise_is_refused():
    result = judge(15, champion(20))

    assert not result.passed
    assert result.measured == 2 * 0.5**5 > 0.05
    assert "not significantly different" in result.reason


def test_an_equal_model_must_save_bytes():
    assert judge(20, champion(20), size=950).passed
    assert not judge(20, champion(20), size=951).passed


def test_a_significantly_worse_model_is_refused_however_small():
    assert not judge(30, champion(20), size=1).passed


def test_the_champion_itself_passes():
    itself = changed(candidate(), model=bytes(1000))
    standing = champion(20, sha256=itself.sha256)

    assert judge(20, standing).reason == "it is the champion, version 7"
    assert judge(20, standing).passed


def test_a_champion_for_other_inputs_does_not_stand_in_the_way():
    assert judge(399, champion(score=None, correct=None)).passed


def test_a_withdrawn_model_does_not_return_by_itself():
    sha256 = changed(candidate(), model=bytes(1000)).sha256

    result = judge(0, None, withdrawn={sha256: "eve@host rolled it back (flaky)"})

    assert (result.passed, result.reason) == (False, "eve@host rolled it back (flaky)")


def test_without_right_and_wrong_answers_scores_must_differ_by_the_margin():
    def by_score(score: float, size: int = 1000) -> GateResult:
        judged = replace(changed(candidate(), score=score, model=bytes(size)), correct=None)
        standing = champion(score=0.8, correct=None)
        return BeatsChampion()(judged, context(judged, champion=standing), {"alpha": 0.05, "min_saving": 0.05})

    assert by_score(0.82).passed
    assert not by_score(0.805).passed
    assert by_score(0.795, size=900).passed
    assert not by_score(0.78, size=900).passed
