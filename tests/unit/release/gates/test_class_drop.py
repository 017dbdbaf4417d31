"""A rare class must not pay for the others: the gate on the worst class's recall."""

import numpy as np

from qatflow.evaluation.answers import Answers
from qatflow.release.base import Candidate, GateResult
from qatflow.release.gates.class_drop import ClassDrop
from tests.unit.release.fabricate import candidate, changed, context


def found(rare: int, common_wrong: int = 20) -> Answers:
    """Answers to 5,000 samples of a common class and 37 of a rare one, of which `rare` are found."""
    labels = np.repeat([0, 1], [5000, 37])
    merit = np.concatenate([np.arange(5000) >= common_wrong, np.arange(37) < rare]).astype(float)
    return Answers("accuracy", merit, labels)


def judge(before: Answers, after: Answers, max_drop: float = 0.02) -> GateResult:
    any_class = {"precision": 0.9, "recall": 0.9, "f1": 0.9, "support": 37}
    judged = changed(candidate(), metrics={"per_class": {"usual": any_class, "rare": any_class}})
    judged = Candidate(
        judged.variant, False, judged.evaluation, judged.timings, {"test_float": before, "test": after}, b""
    )
    return ClassDrop()(judged, context(judged), {"max_drop": max_drop, "alpha": 0.05})


def test_a_rare_class_that_is_surely_found_less_often_is_told_with_its_numbers():
    """The score falls from 0.9921 to 0.9911 only."""
    result = judge(found(17), found(12))

    assert not result.passed
    assert result.reason.startswith(
        "recall of class rare fell from 0.459 to 0.324 on 37 samples, surely more than 0.02"
    )


def test_a_loss_of_one_or_two_samples_may_be_chance():
    assert judge(found(17), found(15)).passed


def test_a_larger_loss_may_be_allowed():
    assert judge(found(17), found(12), max_drop=0.2).passed


def test_the_rare_class_is_not_saved_by_a_common_one_that_gains():
    assert not judge(found(17, common_wrong=200), found(12, common_wrong=20)).passed


def test_where_there_are_no_classes_it_passes():
    errors = Answers("r2", np.ones(5), np.zeros(5, int))

    assert judge(errors, errors).passed
