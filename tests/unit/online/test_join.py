"""The join: every order of samples and labels, bounded memory, exact resume."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qatflow.online.join import Join
from qatflow.online.records import Label, LateLabel, Sample

YEAR_S, HOUR_S = 365 * 86_400.0, 3600.0


def sample(name: str, label: Label | None = None, time: float = 0.0) -> Sample:
    return Sample(name, time, np.full(2, len(name), np.float32), label)


def fed(join: Join, *records: Sample | LateLabel) -> list[tuple[str, Label]]:
    return [(found.id, found.label) for record in records if (found := join.take(record)) is not None]


def counted(join: Join) -> dict[str, int]:
    return {name: count for name, count in join.counts.items() if count and name not in {"samples", "labels"}}


def test_a_label_with_its_sample_after_it_or_before_it():
    join = Join((2,), 10)

    found = fed(join, sample("a", 1), sample("b"), LateLabel("c", 0, 3), LateLabel("b", 0, 2), sample("c"))

    assert found == [("a", 1), ("b", 2), ("c", 3)]
    assert counted(join) == {"joined": 3}
    assert (join.waiting, join.counts["samples"], join.counts["labels"]) == (0, 3, 2)


def test_reordered_labels_find_their_samples():
    join = Join((2,), 100)
    names = [str(number) for number in range(50)]

    fed(join, *map(sample, names))
    found = fed(join, *(LateLabel(name, 0, name) for name in reversed(names)))

    assert found == [(name, name) for name in reversed(names)]


def test_duplicates_are_learned_once():
    join = Join((2,), 10)

    found = fed(
        join,
        sample("a", 1), sample("a", 1), sample("a"), LateLabel("a", 0, 1),
        sample("b"), sample("b"), LateLabel("b", 0, 2), LateLabel("b", 0, 2),
        LateLabel("c", 0, 3), LateLabel("c", 0, 3), sample("c", 3),
    )  # fmt: skip

    assert found == [("a", 1), ("b", 2), ("c", 3)]
    assert counted(join) == {"joined": 3, "duplicate": 7}


def test_a_flipped_label_is_counted_and_the_first_one_counts():
    join = Join((2,), 10)

    found = fed(
        join, sample("a", 1), LateLabel("a", 0, 2), sample("a", 3),
        LateLabel("b", 0, 1), LateLabel("b", 0, 2), sample("b"),
    )  # fmt: skip

    assert found == [("a", 1), ("b", 1)]
    assert counted(join) == {"joined": 2, "relabelled": 3}


def test_a_sample_sent_again_with_its_label_has_it():
    join = Join((2,), 10)

    assert fed(join, sample("a"), sample("a", 4)) == [("a", 4)]


def test_what_waits_too_long_makes_room():
    join = Join((2,), 3)

    fed(join, *(sample(f"s{number}") for number in range(5)), *(LateLabel(f"l{number}", 0, 1) for number in range(5)))
    found = fed(join, LateLabel("s0", 0, 1), LateLabel("s4", 0, 1), sample("l0"), sample("l4"))

    assert found == [("s4", 1), ("l4", 1)]
    assert counted(join) == {"joined": 2, "expired": 2, "late": 1, "unknown": 2}


def test_a_gap_leaves_the_rest_as_it_is():
    join = Join((2,), 10)

    assert fed(join, sample("1", 1), sample("2", 1), sample("9", 1)) == [("1", 1), ("2", 1), ("9", 1)]


@pytest.mark.parametrize("jump", [-HOUR_S, YEAR_S, -YEAR_S])
def test_a_clock_that_jumps_spoils_only_its_own_pairs(jump: float):
    join = Join((2,), 100, window_s=600.0)
    records: list[Sample | LateLabel] = []
    for number in range(20):
        wrong = jump if number in {5, 6} else 0.0
        records += [sample(str(number), time=number + wrong), LateLabel(str(number), number + 60.0, number)]

    found = fed(join, *records)

    assert [name for name, _ in found] == [str(number) for number in range(20) if number not in {5, 6}]
    assert counted(join) == {"joined": 18, "late": 2}


def test_a_clock_that_jumps_for_good_costs_nothing():
    join = Join((2,), 100, window_s=600.0)
    times = [0.0, 1.0, YEAR_S, YEAR_S + 1, YEAR_S - HOUR_S, YEAR_S + 2]

    assert len(fed(join, *(sample(str(time), 1, time) for time in times))) == len(times)


records_of_few_ids = st.builds(
    lambda name, label, is_label, time: LateLabel(name, time, label or 0) if is_label else sample(name, label, time),
    st.sampled_from("abcdefgh"),
    st.one_of(st.none(), st.integers(0, 2), st.just((1.0, 2.0))),
    st.booleans(),
    st.floats(0, 100),
)


def state_of(join: Join) -> tuple[Any, list[Any]]:
    return json.dumps(join.state()), join.arrays()["x"].tolist()


@settings(max_examples=200, deadline=None)
@given(st.lists(records_of_few_ids, max_size=60), st.integers(0, 60), st.integers(1, 5))
def test_a_join_goes_on_exactly_from_its_state(records: list[Sample | LateLabel], at: int, max_waiting: int):
    whole, first, second = (Join((2,), max_waiting, window_s=50.0, remembered=6) for _ in range(3))

    undisturbed = fed(whole, *records)
    before = fed(first, *records[:at])
    second.restore(
        {name: np.array(value) for name, value in first.arrays().items()}, json.loads(json.dumps(first.state()))
    )
    after = fed(second, *records[at:])

    assert before + after == undisturbed
    assert state_of(second) == state_of(whole)


@settings(max_examples=100, deadline=None)
@given(st.lists(records_of_few_ids, max_size=80), st.integers(1, 4))
def test_memory_is_bounded_and_every_record_is_accounted_for(records: list[Sample | LateLabel], max_waiting: int):
    join = Join((2,), max_waiting, remembered=5)

    found = fed(join, *records)

    state, counts = join.state(), join.counts
    assert max(len(state["waiting"]), len(state["early"])) <= max_waiting
    assert len(state["done"]) <= 5
    assert counts["samples"] + counts["labels"] == len(records)
    assert counts["joined"] == len(found)
