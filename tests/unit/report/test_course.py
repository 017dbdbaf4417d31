"""What is said of a course."""

import numpy as np
import pytest

from qatflow.report.course import CourseFigures, alarms, course_summary, finding, forgotten, smooth, way
from qatflow.report.wording import SPACE
from tests.unit.report.courses import CANDIDATES, candidate, course


def said(made: CourseFigures) -> str:
    return finding(made).replace(SPACE, " ")


def test_the_finding_tells_what_was_learned_how_well_and_what_came_of_it():
    assert said(course()) == (
        "Learned 5,000 samples of the stream; accuracy on samples that were not learned yet went from 98.0 % to "
        "97.0 %, 22.0 % at the lowest; 2 of the 5 candidates were promoted; accuracy on the hold-out, 98.3 % before, "
        "is 96.0 %."
    )


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"candidates": ()}, "no candidate was made yet."),
        ({"candidates": CANDIDATES[:1]}, "; the one candidate was not promoted."),
        (
            {"candidates": [candidate(1, 9)]},
            "; the one candidate was promoted; accuracy on the hold-out, 98.3 % before",
        ),
        ({"candidates": [candidate(n, 9, "dropped") for n in (1, 2)]}, "; none of the 2 candidates was promoted."),
        ({"candidates": CANDIDATES[3:]}, "; 1 of the last 2 candidates was promoted; "),
        ({"learned": 0, "records": 1}, "Nothing was learned yet: 1 record came, none of them labelled."),
    ],
)
def test_the_finding_fits_what_there_is(fields, words):
    assert words in said(course(**fields))


def test_less_than_a_bucket_has_no_accuracy():
    short = course(0, learned=64, records=64)
    assert way(short) is None
    assert said(short).startswith("Learned 64 samples of the stream; 2 of the 5")
    assert course_summary(short)["accuracy"] is None


def test_accuracy_is_told_of_five_buckets_and_the_lowest_only_where_it_is_one():
    rising = course(6, accuracy=np.array([0.0, 0.5, 0.5, 0.5, 1.0, 1.0]))
    assert way(rising) == pytest.approx((0.5, 0.5, 0.7))
    assert "lowest" not in said(rising)
    assert way(course(2, accuracy=np.array([0.4, 0.6]))) == pytest.approx((0.5, 0.5, 0.5))


def test_smoothing_takes_the_mean_of_each_value_and_those_before_it():
    assert smooth(np.array([1.0, 0.0, 1.0, 1.0]), 2).tolist() == [1.0, 0.5, 0.5, 1.0]
    assert smooth(np.array([])).tolist() == []


def test_the_summary_says_the_same_for_programs():
    made = course_summary(course(error="the stream is gone"))
    assert made["accuracy"] == pytest.approx({"first": 0.98, "lowest": 0.22, "last": 0.97})
    assert (made["candidates"], made["promoted"], made["holdout"]) == (5, 2, 0.96)
    assert made["error"] == "the stream is gone"


def fallen(**fields):
    """A course that ends at 15 % after 98.8 %."""
    accuracy = np.concatenate([np.full(20, 0.988), np.full(20, 0.148)])
    return course(40, accuracy=accuracy, candidates=(), **fields)


def test_a_course_whose_accuracy_fell_is_an_alarm_with_both_figures():
    (alarm,) = alarms(fallen())

    assert alarm.replace(SPACE, " ").startswith(
        "What is deployed gets worse: its accuracy on the stream fell from 98.8 % to 14.8 %"
    )
    assert alarms(course()) == []
    assert alarms(course(0)) == []
    assert course_summary(fallen())["alarms"] == [alarm]


def test_what_is_deployed_and_knows_less_than_what_it_replaced_is_told():
    lost = course(candidates=(candidate(1, 1000, holdout=0.965, holdout_at_start=0.99),))

    assert "took over with 96.5" in forgotten(lost)[0]
    assert forgotten(course(candidates=(candidate(1, 1000),))) == []
    assert forgotten(course(candidates=(candidate(1, 1000, "dropped", holdout=0.5),))) == []
