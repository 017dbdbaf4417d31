"""Feeds: repeatable, of the pool's type, and changing as asked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from qatflow.errors import DataError, ParamsError
from qatflow.online.feed import DRIFTS, Feed, Pool, open_pool, records
from qatflow.online.records import LateLabel, Sample, encode


@pytest.fixture(scope="module")
def digits() -> Pool:
    return open_pool("digits")


def samples(pool: Pool, feed: Feed) -> list[Sample]:
    return [record for record in records(pool, feed) if isinstance(record, Sample)]


@pytest.mark.parametrize("drift", [None, *sorted(DRIFTS)])
def test_equal_feeds_give_equal_bytes(digits: Pool, drift: str | None):
    one, other, third = (
        [encode(record) for record in records(digits, Feed(700, seed, drift, label_delay=3))] for seed in (1, 1, 2)
    )

    assert one == other
    assert one != third
    assert len(one) == 1400


@pytest.mark.parametrize("drift", ["rotation", "noise"])
def test_drift_comes_in_over_the_middle_half(digits: Pool, drift: str):
    plain, changed = samples(digits, Feed(1000, 1)), samples(digits, Feed(1000, 1, drift))
    apart = [np.abs(a.x.astype(int) - b.x.astype(int)).mean() for a, b in zip(plain, changed, strict=True)]

    assert changed[0].x.dtype == np.uint8
    assert max(one.x.max() for one in changed) <= digits.x.max()
    assert np.mean(apart[:250]) < 0.01
    assert np.mean(apart[750:]) > np.mean(apart[400:600]) > 0.1


def test_classes_take_over(digits: Pool):
    labels = np.array([one.label for one in samples(digits, Feed(1000, 1, "classes"))])

    assert labels[:250].max() <= 4
    assert labels[750:].min() >= 5
    assert set(labels.tolist()) == set(range(10))


def test_labels_follow_their_samples(digits: Pool):
    made = list(records(digits, Feed(20, 1, label_delay=5)))
    at = {(type(record), record.id): place for place, record in enumerate(made)}

    for number in range(20):
        between = made[at[Sample, f"1-{number}"] : at[LateLabel, f"1-{number}"]]
        assert sum(isinstance(record, Sample) for record in between) - 1 == min(5, 19 - number)
    assert [record.label for record in made if isinstance(record, LateLabel)] == [
        record.label for record in samples(digits, Feed(20, 1))
    ]


def test_an_npz_is_a_source(tmp_path: Path):
    path = tmp_path / "data.npz"
    np.savez(path, x=np.arange(40, dtype=np.float32).reshape(10, 4), y=np.arange(10) % 2)

    made = samples(open_pool(str(path)), Feed(30, 1, "noise"))

    assert made[0].x.shape == (4,)
    assert {one.label for one in made} == {0, 1}


def test_what_does_not_suit_is_said(tmp_path: Path, digits: Pool):
    with pytest.raises(DataError, match=r"no source of samples; expected digits, a folder .*, or an \.npz"):
        open_pool("digit")
    with pytest.raises(ParamsError, match=r"Unknown drift 'rotations'.*Did you mean 'rotation'"):
        list(records(digits, Feed(5, 1, "rotations")))
    flat = Pool(np.zeros((5, 4), np.float32), np.zeros((5, 2), np.float32))
    with pytest.raises(DataError, match="needs images"):
        list(records(flat, Feed(5, 1, "rotation")))
    with pytest.raises(DataError, match="needs classes"):
        list(records(flat, Feed(5, 1, "classes")))
    assert samples(flat, Feed(5, 1))[0].label == (0.0, 0.0)
