"""Who wins among those that pass."""

from dataclasses import replace

import numpy as np
import pytest

from qatflow.errors import ParamsError
from qatflow.release.base import Candidate, Champion, GoldenCheck
from qatflow.release.preference import preferred, shares
from qatflow.release.select import Verdict, select
from tests.unit.release.fabricate import GATES, answered, candidate, changed, context, right, timed

SETTINGS = {"agreement": {"min_agreement": 0.9}, "size": {"max_ratio": 0.9}}


def named(variant: str, *, val: int = 20, test: int = 20, size: int = 1000, **fields) -> Candidate:
    made = changed(candidate(variant), model=variant.encode() + bytes(size - len(variant)), **fields)
    return answered(made, val=val, test=test)


def choose(*candidates: Candidate, settings: dict = SETTINGS, **fields) -> Verdict:
    return select({each.variant: each for each in candidates}, context(*candidates, **fields), settings)


def test_the_smallest_within_noise_of_the_best_on_the_validation_split_wins():
    verdict = choose(named("a", val=20), named("b", val=21, size=500), named("c", val=60, size=100))

    assert verdict.winner == "b"
    assert verdict.reasons[0].startswith(
        "b: wins as the first by size within noise of the best on the validation split, of 3 that pass all gates: score"
    )


def test_the_test_split_picks_nobody():
    lucky, honest = named("lucky", val=30, test=0), named("honest", val=10, test=25)

    assert choose(lucky, honest).winner == "honest"
    assert choose(named("lucky", test=0), named("smaller", test=25, size=900)).winner == "smaller"


def test_the_objective_decides_what_is_cheap():
    fast = timed(named("fast", val=21), p50=1.0, latency_ratio=0.1)
    small = named("small", val=22, size=500)
    best = named("best")

    assert [one.variant for one in preferred([best, small, fast], "size")] == ["small", "best", "fast"]
    assert [one.variant for one in preferred([best, small, fast], "latency")] == ["fast", "best", "small"]
    assert [one.variant for one in preferred([best, small, fast], "quality")] == ["best", "fast", "small"]


def test_without_validation_samples_the_objective_alone_orders():
    one, other = (replace(named(n, size=s, test=t), answers={}) for n, s, t in (("a", 900, 0), ("b", 800, 99)))

    assert [each.variant for each in preferred([one, other], "size")] == ["b", "a"]


def test_who_fails_any_gate_is_out_and_the_sentence_names_each_cause():
    bad = named("bad", val=0, size=10**6, agreement_float=0.5)

    verdict = choose(bad, named("good", val=90))

    assert verdict.winner == "good"
    assert verdict.reasons[1].startswith(
        "bad: refused by agreement: agreement 0.5000 with the float model is below 0.9; size: "
    )


def test_there_may_be_no_winner():
    verdict = choose(named("bad", agreement_float=0.5))

    assert verdict.winner is None
    assert len(verdict.reasons) == 1


@pytest.mark.parametrize(
    "settings", [{}, {"size": None}, {"golden": None}, {"golden": None, "size": {"max_ratio": 1.0}}]
)
def test_an_empty_set_of_gates_and_one_without_the_golden_check_are_refused(settings: dict):
    with pytest.raises(ParamsError, match=r"release\.gates.* (asks nothing|cannot be switched off)"):
        choose(named("a"), settings=settings)


def test_whatever_the_gates_are_a_withdrawn_and_a_broken_model_are_refused():
    withdrawn, broken, good = named("withdrawn"), named("broken"), named("good", val=90)
    golden = {"withdrawn": GoldenCheck(0.0), "broken": GoldenCheck(None, "it was killed"), "good": GoldenCheck(0.0)}

    verdict = choose(
        withdrawn, broken, good, settings={"size": {"max_ratio": 9.0}}, golden=golden,
        withdrawn={withdrawn.sha256: "eve@host rolled it back (flaky)"},
    )  # fmt: skip

    assert verdict.winner == "good"
    assert verdict.reasons[1:] == (
        "withdrawn: refused by withdrawn: eve@host rolled it back (flaky)",
        "broken: refused by golden: the bundle does not run in a clean process: it was killed",
    )


@pytest.mark.parametrize("field", ["score", "agreement_float", "float_model", "agreement_fake_quant"])
@pytest.mark.parametrize("value", [None, float("nan"), {}])
def test_a_figure_that_is_missing_or_no_number_never_passes(field: str, value: object):
    if (field, value) == ("agreement_fake_quant", None):
        pytest.skip("of an untrained strategy there is no fake-quant model to agree with")
    good = named("a")
    evaluation = good.evaluation.model_copy(update={field: value})

    verdict = choose(replace(good, evaluation=evaluation), settings=GATES)

    assert verdict.winner is None


def test_answers_and_times_that_are_missing_never_pass():
    good, rival = named("a"), Champion(1, "a", "0" * 64, 0.9, right(40), 9000, 1.0)

    assert choose(good, settings=GATES, champion=rival).winner == "a"
    for bad in (
        replace(good, answers={}),
        replace(good, answers={**good.answers, "test": right(0, 300)}),
        replace(good, answers={**good.answers, "test": replace(right(0), merit=np.full(400, np.nan))}),
        replace(good, timings=good.timings.model_copy(update={"latency_ratio": None})),
        timed(good, p50=1.0, latency_ratio=float("nan")),
    ):
        assert choose(bad, settings=GATES, champion=rival).winner is None


def test_the_more_candidates_the_surer_each_must_be_and_the_preferred_one_pays_least():
    assert shares(["a"]) == {"a": 1.0}
    assert shares(["a", "b", "c", "d"]) == {"a": 0.5, "b": 0.25, "c": 0.125, "d": 0.125}
    gates, rival = {"beats_champion": GATES["beats_champion"]}, Champion(1, "a", "0" * 64, 0.95, right(25), 1000, 1.0)
    lucky = named("lucky", test=19)

    assert choose(lucky, settings=gates, champion=rival).winner == "lucky"
    assert choose(*(named(n, val=0, test=25) for n in "abc"), lucky, settings=gates, champion=rival).winner is None


def test_one_that_can_never_ship_takes_no_share_of_the_level():
    gates = {"beats_champion": GATES["beats_champion"], "agreement": {"min_agreement": 0.9}}
    rival = Champion(1, "a", "0" * 64, 0.95, right(25), 1000, 1.0)
    disagreeing = [named(name, val=0, agreement_float=0.1) for name in "abc"]

    verdict = choose(named("lucky", test=16), *disagreeing, settings=gates, champion=rival)

    assert verdict.winner == "lucky"


def test_the_report_lists_every_gate_of_every_candidate_in_order():
    verdict = choose(named("a"), named("b"))

    assert {name: [row.gate for row in rows] for name, rows in verdict.gates.items()} == {
        "a": ["withdrawn", "golden", "agreement", "size"],
        "b": ["withdrawn", "golden", "agreement", "size"],
    }
