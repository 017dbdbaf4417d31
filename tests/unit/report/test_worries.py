from dataclasses import replace

import numpy as np
import pytest

from qatflow.report.summary import verdict
from qatflow.report.wording import SPACE, percent
from qatflow.report.worries import worries
from tests.unit.report.courses import course
from tests.unit.report.fabricate import remeasured

FOCUS = 1


@pytest.fixture
def changed(run):
    """Return a function that changes the evaluation, the timings or the data card of the champion's run."""

    def change(evaluation=None, timings=None, card=None):
        variants = list(run.variants)
        variants[FOCUS] = remeasured(variants[FOCUS], evaluation or {}, timings or {})
        return replace(run, variants=tuple(variants), card=run.card.model_copy(update=card or {}))

    return change


def told(run):
    return [sentence.replace(SPACE, " ") for sentence in worries(run)]


def test_a_good_model_worries_nobody(run):
    assert told(run) == []


def test_alarms_of_all_variants_come_first(run):
    variants = [replace(variant, alarm=f"parts at layer {at}") for at, variant in enumerate(run.variants[:2])]

    said = told(replace(run, variants=(*variants, *run.variants[2:])))

    assert said[:2] == [f"Alarm, {variant.name}: {variant.alarm}." for variant in variants]


def test_a_real_loss_is_called_one(changed):
    assert told(changed({"mcnemar_float_p": 0.003})) == [
        "It is really worse than the float model: 0.3 % of the samples, p = 0.003."
    ]


def test_a_lost_and_a_weak_class_are_named(changed, run):
    metrics = run.variants[FOCUS].evaluation.metrics.to_dict()
    metrics["per_class"]["7"]["recall"] = 0.75
    formerly = percent(run.float_model.metrics.per_class["7"].recall).replace(SPACE, " ")
    assert told(changed({"metrics": metrics})) == [
        f"It finds 7 less often than the float model does: 75.0 % of them instead of {formerly}.",
        "Its weakest class is 7: it finds 75.0 % of them.",
    ]


def test_few_samples_rough_figures_and_poor_confidence_are_told(changed, run):
    metrics = run.variants[FOCUS].evaluation.metrics.to_dict() | {"ece": 0.08}
    assert told(changed({"score_interval": [0.9, 0.96], "metrics": metrics, "agreement_float": 0.95})) == [
        "The test split is small (360 samples): accuracy is known to 3.0 % only.",
        "Its confidence is off by 8.0 % on average: do not read it as a probability.",
        "It answers otherwise than the float model on 5.0 % of the samples.",
    ]


def test_slowness_and_faults_of_the_data_are_told(changed, run):
    card = {
        "duplicates": replace(run.card.duplicates, conflicting_labels=3),
        "class_counts": run.card.class_counts | {"train": {"cat": 900, "dog": 12}},
    }
    assert told(changed(timings={"latency_ratio": 1.5}, card=card)) == [
        "It is 1.5\u00d7 slower than float on the machine of this run; measure it on the device.",
        "The data hold 3 samples twice with different labels: somebody was wrong.",
        "Few dog: 12 training samples, against 900 of cat.",
    ]


def test_regression_has_worries_of_its_own(build_run, load):
    run = load(build_run(task="regression"))
    other = replace(run, variants=tuple(remeasured(v, {"agreement_float": 0.9}) for v in run.variants))
    assert told(other) == ["It answers otherwise than the float model on 10.0 % of the samples."]


def test_a_champion_of_an_earlier_run_is_told(build_run, load):
    run = load(build_run(champion="qat_of_last_week"))
    assert told(run) == ["What ships was measured by an earlier run; the candidates of this one did not replace it."]


def test_what_a_course_did_to_what_is_deployed_is_read_before_all_else(run):
    accuracy = np.concatenate([np.full(20, 0.988), np.full(20, 0.148)])
    learned = replace(run, course=course(40, accuracy=accuracy))

    assert told(learned)[0].startswith(
        "What is deployed gets worse: its accuracy on the stream fell from 98.8 % to 14.8 %"
    )
    assert "took over with 96.0 % on the test split" in told(learned)[1]
    assert verdict(learned).startswith("Alarm: What is deployed gets worse: ")
    assert not verdict(replace(run, course=course())).startswith("Alarm")
