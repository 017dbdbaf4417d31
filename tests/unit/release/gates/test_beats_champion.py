"""Noise promotes nobody, and small losses do not add up: the gate against the present champion and its line."""

from dataclasses import replace

import numpy as np
import pytest

from qatflow.evaluation.answers import Answers
from qatflow.evaluation.bounds import share_bounds
from qatflow.release.base import Champion, GateResult
from qatflow.release.gates.beats_champion import BeatsChampion
from tests.unit.release.fabricate import answered, candidate, changed, context, right

SETTINGS = {"alpha": 0.05, "margin": 0.02, "min_saving": 0.05}


def champion(wrong: int = 20, **fields) -> Champion:
    values = {
        "version": 7, "variant": "ptq_w8a8", "sha256": "0" * 64, "score": 1 - wrong / 400, "answers": right(wrong),
        "size_bytes": 1000, "latency_us": 10.0,
    }  # fmt: skip
    return Champion(**(values | fields))


def judge(wrong: int, standing: Champion | None, size: int = 1000, **fields) -> GateResult:
    judged = answered(changed(candidate(), model=bytes(size)), test=wrong)
    return BeatsChampion()(judged, context(judged, champion=standing, **fields), SETTINGS)


def test_without_a_champion_it_passes():
    assert judge(399, None).reason == "there is no champion yet"
    assert judge(399, None).passed


def test_a_surely_better_model_passes():
    result = judge(10, champion(20))

    assert result.passed
    assert result.measured == round(-share_bounds(10, 0, 400, 0.05)[0], 9) < 0
    assert result.reason.startswith("better than champion version 7: +0.0250, gains ")


def test_a_better_model_within_noise_is_refused():
    result = judge(18, champion(20))

    assert not result.passed
    assert "as good as champion version 7: +0.0050, may lose up to" in result.reason


def test_a_model_that_is_as_good_must_save_bytes():
    assert judge(20, champion(20), size=950).passed
    assert not judge(20, champion(20), size=951).passed


def test_under_the_objective_latency_time_must_be_saved_and_under_quality_nothing_will_do():
    assert judge(20, champion(20, latency_us=20.0), objective="latency").passed
    assert not judge(20, champion(20, latency_us=12.5), size=1, objective="latency").passed
    assert not judge(20, champion(20, latency_us=99.0), size=1, objective="quality").passed


def test_a_loss_that_cannot_be_ruled_out_is_refused_however_small_the_model_and_says_what_would_rule_it_out():
    result = judge(24, champion(20), size=1)

    assert not result.passed
    assert result.measured > 0.02 == result.threshold
    assert "not shown to be as good as champion version 7: -0.0100, may lose up to 0.0" in result.reason
    assert "(95.00% sure, 400 samples); were it so, about 585 samples" in result.reason
    assert result.reason.count("samples would show that it loses less than 0.02") == 1


def test_small_losses_do_not_add_up_over_the_champions_of_a_line():
    """Each is as good as the one before it; the third is no more as good as the first."""
    best = champion(20, version=3, sha256="1" * 64)

    assert judge(22, champion(20), size=900).passed
    assert judge(26, champion(24), size=900).passed
    result = judge(26, champion(24), size=900, best=best)

    assert not result.passed
    assert result.reason.startswith("not shown to be as good as version 3, the best of its line: -0.0150, may lose")


def test_a_better_model_too_must_be_as_good_as_the_best_of_the_line():
    best = champion(0, version=3, sha256="1" * 64)

    assert judge(20, champion(40)).passed
    assert not judge(20, champion(40), best=best).passed
    assert judge(0, champion(40), best=best).passed


def test_the_champion_itself_passes():
    itself = changed(candidate(), model=bytes(1000))
    standing = champion(20, sha256=itself.sha256)

    assert judge(20, standing).reason == "it is the champion, version 7"
    assert judge(20, standing).passed


def test_a_champion_for_other_inputs_does_not_stand_in_the_way():
    assert judge(399, champion(score=None, answers=None)).passed


def test_errors_of_regression_and_ranks_of_anomalies_are_compared_sample_by_sample():
    rng = np.random.default_rng(1)
    errors, noise = rng.lognormal(size=600), 0.02 * rng.normal(size=600)
    standing, anomalies = Answers("r2", errors, np.zeros(600, int)), (errors > 3).astype(int)
    ranked = Answers("auc", errors, anomalies)

    def against(other: Answers, merit: np.ndarray, size: int = 900) -> bool:
        judged = replace(changed(candidate(), model=bytes(size)), answers={"test": replace(other, merit=merit)})
        return BeatsChampion()(judged, context(judged, champion=champion(answers=other)), SETTINGS).passed

    assert against(standing, errors + noise)
    assert not against(standing, errors + noise, size=1000)
    assert against(standing, 0.9 * errors, size=1000)
    assert not against(standing, 1.1 * errors)
    assert not against(ranked, errors * rng.normal(size=600))


def test_answers_to_other_samples_are_never_compared():
    judged = replace(candidate(), answers={"test": right(0, 300)})

    with pytest.raises(ValueError, match="not measured on the same samples"):
        BeatsChampion()(judged, context(judged, champion=champion()), SETTINGS)
