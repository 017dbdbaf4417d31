import pytest
from hypothesis import given
from hypothesis import strategies as st

from qatflow.evaluation.alarm import Alarm
from qatflow.search.decide import WORTHWHILE, best, fits, qualifies, reason_not_to_train, reason_to_skip, why_chosen
from qatflow.search.options import Goal
from qatflow.search.trial import Trial

FLOAT = 0.9


def trial(name, size, score, latency=10.0):
    return Trial(name, "measured", val_score=score, size_bytes=size, latency_us=latency)


SKIPPED = Trial("float16", "skipped", "why not")
trials = st.lists(
    st.builds(trial, st.text("ab", max_size=2), st.integers(1, 20), st.floats(0.8, 1.0), st.floats(1, 9)), max_size=8
)


@given(trials, st.floats(0, 0.1), st.none() | st.integers(1, 20))
def test_the_best_is_the_smallest_that_loses_little_enough_or_else_the_most_accurate_that_fits(found, drop, budget):
    goal = Goal(max_drop=drop, size_budget=budget)
    winner = best([*found, SKIPPED], goal, FLOAT)
    good = [one for one in found if qualifies(one, goal, FLOAT)]
    fitting = [one for one in found if fits(one, goal)]

    if good:
        assert winner in good
        assert winner.size_bytes == min(one.size_bytes for one in good)
    elif fitting:
        assert winner.val_score == max(one.val_score for one in fitting)
    else:
        assert winner is None


def test_ties_go_by_score_then_latency():
    same = [trial("a", 100, 0.9), trial("b", 100, 0.95, 9.0), trial("c", 100, 0.95, 8.0)]

    assert best(same, Goal(), FLOAT).strategy == "c"


def test_nothing_is_made_that_cannot_be_clearly_smaller_than_what_is_good():
    good = [trial("ptq_w8a8", 1000, 0.9)]

    assert "cannot be clearly smaller than ptq_w8a8 (1000 bytes)" in reason_to_skip(1000, good, Goal(), FLOAT)
    assert reason_to_skip(int(1000 * (1 - WORTHWHILE)), good, Goal(), FLOAT) == ""
    assert reason_to_skip(1000, [trial("ptq_w8a8", 1000, 0.5)], Goal(), FLOAT) == ""
    assert "more than the size budget of 900" in reason_to_skip(950, good, Goal(size_budget=900), FLOAT)


def test_the_reason_says_what_decided():
    good, small = trial("ptq_w8a8", 1000, 0.9), trial("ptq_w4a8", 600, 0.7)

    chosen = why_chosen(good, [good, small], Goal(), FLOAT, "accuracy")
    assert "the only candidate that loses at most 0.01 of accuracy: 1000 bytes, accuracy 0.9000" in chosen
    fallback = why_chosen(small, [good, small], Goal(size_budget=700), FLOAT, "accuracy")
    assert fallback.startswith("no candidate within 700 bytes loses at most 0.01 of accuracy; this one loses least")


def test_where_all_lose_too_much_the_one_that_loses_least_in_its_worst_class_wins_and_it_says_so():
    told = "recall of class 1 fell from 0.459 to 0.405 on 37 samples"
    few = Trial("qat_w4a8", "measured", val_score=0.99, size_bytes=500, class_loss=0.08, lost=told)
    less = Trial("ptq_w4a8", "measured", val_score=0.99, size_bytes=600, class_loss=0.02, lost=told)

    assert best([few, less], Goal(), 0.99) is less
    assert why_chosen(less, [few, less], Goal(), 0.99, "accuracy").startswith(
        "no candidate loses at most 0.01 of accuracy, and of the recall of any class; this one loses least: 600 bytes"
    )
    assert less.to_dict()["notes"] == [told]


@pytest.mark.parametrize("drop", [0.0, 0.1])
def test_rounding_does_not_decide(drop):
    assert qualifies(trial("a", 1, FLOAT - drop), Goal(max_drop=drop), FLOAT)


def test_bytes_that_travel_count_where_they_are_asked_for():
    dense = Trial("ptq_w4a8", "measured", val_score=0.9, size_bytes=500, zstd_bytes=480)
    sparse = Trial("pqat_w8a8", "measured", val_score=0.9, size_bytes=1000, zstd_bytes=400)

    assert best([dense, sparse], Goal(), FLOAT) is dense
    assert best([dense, sparse], Goal(compressed=True), FLOAT) is sparse
    assert best([dense, sparse], Goal(compressed=True, size_budget=450), FLOAT) is sparse
    assert "400 bytes compressed" in why_chosen(sparse, [dense, sparse], Goal(compressed=True), FLOAT, "accuracy")


def test_nothing_is_trained_once_a_flatbuffer_left_its_fake_quant_model():
    lost = Trial("ptq_w8a8", "measured", alarm=Alarm("it scores 0.1", "at the input", of_conversion=False))
    broken = Trial("ptq_w4a8", "measured", alarm=Alarm("it answers otherwise", "at 'c': all zeros", of_conversion=True))

    assert not reason_not_to_train([SKIPPED, lost])
    assert "ptq_w4a8 does not become what it was: it answers otherwise; at 'c': all zeros" in reason_not_to_train(
        [lost, broken]
    )
