"""Who wins among those that pass."""

from dataclasses import replace

from qatflow.release.base import Candidate
from qatflow.release.select import Verdict, select
from tests.unit.release.fabricate import candidate, changed, context

SETTINGS = {"agreement": {"min_agreement": 0.9}, "size": {"max_ratio": 0.9}}


def choose(*candidates: Candidate) -> Verdict:
    named = {each.variant: each for each in candidates}
    return select(named, context(*candidates), SETTINGS)


def test_the_highest_score_wins():
    verdict = choose(changed(candidate("a"), score=0.9), changed(candidate("b"), score=0.91))

    assert verdict.winner == "b"
    assert verdict.reasons[0].startswith("b: wins as the best of 2 that pass all gates: score 0.9100")


def test_ties_go_to_fewer_bytes_then_to_lower_latency_then_to_the_name():
    one = changed(candidate("a"), score=0.9)
    smaller = changed(candidate("b"), score=0.9, model=one.model[:-1])
    faster = replace(one, variant="c", timings={**one.timings, "latency_us": {"p50": 1.0}})

    assert choose(one, smaller, faster).winner == "b"
    assert choose(one, faster).winner == "c"
    assert choose(replace(one, variant="z"), one).winner == "a"


def test_who_fails_any_gate_is_out_and_the_sentence_names_each_cause():
    bad = changed(candidate("bad"), score=1.0, agreement_float=0.5, model=bytes(10**6))

    verdict = choose(bad, changed(candidate("good"), score=0.1))

    assert verdict.winner == "good"
    assert verdict.reasons[1].startswith(
        "bad: refused by agreement: agreement 0.5000 with the float model is below 0.9; size: "
    )


def test_there_may_be_no_winner():
    verdict = choose(changed(candidate("bad"), agreement_float=0.5))

    assert verdict.winner is None
    assert len(verdict.reasons) == 1


def test_without_gates_everyone_passes():
    one = candidate("a")

    assert select({"a": one}, context(one), {}).winner == "a"


def test_the_report_lists_every_gate_of_every_candidate_in_order():
    report = choose(candidate("a"), candidate("b")).report()

    assert {name: [row["gate"] for row in rows] for name, rows in report.items()} == {
        "a": ["agreement", "size"],
        "b": ["agreement", "size"],
    }
