import pytest

from qatflow.report import wording
from qatflow.report.wording import MINUS, SCORES, SPACE, TIMES


@pytest.mark.parametrize(
    ("share", "words"),
    [(0.97777, "97.8"), (1.0, "100.0"), (0.9996, ">99.9"), (0.9994, "99.9"), (0.0, "0.0")],
)
def test_percent_never_rounds_up_to_all(share, words):
    assert wording.percent(share) == f"{words}{SPACE}%"


@pytest.mark.parametrize(
    ("size_bytes", "words"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.00 kB"), (25_112, "25.1 kB"), (3_456_789, "3.46 MB")],
)
def test_size_has_three_digits(size_bytes, words):
    assert wording.size(size_bytes).replace(SPACE, " ") == words


def test_round_values_have_no_needless_zeros():
    assert wording.round_size(20_000) == f"20{SPACE}kB"
    assert wording.round_percent(0.955) == f"95.5{SPACE}%"


@pytest.mark.parametrize(("latency_us", "words"), [(9.876, "9.88 \u00b5s"), (18.84, "18.8 \u00b5s"), (1250, "1.25 ms")])
def test_latency_changes_its_unit(latency_us, words):
    assert wording.latency(latency_us).replace(SPACE, " ") == words


@pytest.mark.parametrize(
    ("ratio", "words"),
    [(0.25, f"4.0{TIMES} faster"), (2.0, f"2.0{TIMES} slower"), (1.04, "as fast"), (0.96, "as fast")],
)
def test_faster_compares_with_another_latency(ratio, words):
    assert wording.faster(ratio) == words


def test_comparison_is_completed_by_the_right_word():
    assert wording.than_float(wording.smaller(0.25)) == f"4.0{TIMES} smaller than float"
    assert wording.than_float(wording.smaller(1.0)) == "as large as float"


@pytest.mark.parametrize(
    ("difference", "words"),
    [
        (-0.0028, f"0.3{SPACE}points below float"),
        (0.01, f"1.0{SPACE}points above float"),
        (0.0004, "the same as float"),
    ],
)
def test_score_is_compared_with_float(difference, words):
    assert SCORES["classification"].against_float(difference) == words


def test_scores_that_are_no_shares_have_no_per_cent():
    score = SCORES["regression"]
    assert [score.value(0.9123), score.value(-0.5), score.change(-0.02)] == ["0.912", f"{MINUS}0.500", f"{MINUS}0.020"]
    assert score.against_float(-0.02) == "0.020 below float"


@pytest.mark.parametrize(
    ("value", "words"), [(None, "\u2013"), (3, "3"), (0.00281234, "0.002812"), (-0.5, f"{MINUS}0.5")]
)
def test_number_writes_any_measured_value(value, words):
    assert wording.number(value) == words


def test_metric_keeps_four_digits():
    assert wording.metric(0.975) == "0.9750"


def test_clip_cuts_only_what_is_longer():
    assert [wording.clip("abcde", 5), wording.clip("abcdef", 5)] == ["abcde", "abcd\u2026"]


@pytest.mark.parametrize(("p", "words"), [(0.0004, "p < 0.001"), (0.001, "p = 0.001"), (0.625, "p = 0.625")])
def test_a_small_p_value_is_a_bound(p, words):
    assert wording.chance(p) == words
