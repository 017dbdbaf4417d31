"""ADWIN and Page-Hinkley against river's, which has no state but a pickle."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from river import drift

from qatflow.monitoring.adwin import Adwin
from qatflow.monitoring.page_hinkley import PageHinkley

STREAMS: dict[str, Callable[[np.random.Generator], Sequence[np.ndarray]]] = {
    "half a sigma": lambda rng: (rng.normal(size=4000), rng.normal(0.5, 1, 1500)),
    "error rate": lambda rng: (rng.random(3000) < 0.03, rng.random(1000) < 0.3),
    "falling": lambda rng: (rng.normal(5, 1, 2000), rng.normal(3, 2, 800)),
    "constant": lambda rng: (np.full(700, 2.5), np.full(700, 2.5)),
    "back and forth": lambda rng: (rng.random(900), rng.random(400) + 1, rng.random(900)),
}


def ours(detector: Adwin | PageHinkley, stream: Sequence[float]) -> list[int]:
    return [index for index, value in enumerate(stream) if detector.update(value)]


def theirs(detector: drift.ADWIN | drift.PageHinkley, stream: Sequence[float]) -> list[int]:
    found = []
    for index, value in enumerate(stream):
        detector.update(value)
        if detector.drift_detected:
            found.append(index)
    return found


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", STREAMS)
def test_both_see_the_same_changes_at_the_same_sample(name: str, seed: int):
    stream = np.concatenate(STREAMS[name](np.random.default_rng(seed))).astype(float).tolist()

    assert ours(Adwin(), stream) == theirs(drift.ADWIN(), stream)
    assert ours(PageHinkley(), stream) == theirs(drift.PageHinkley(), stream)


def test_half_a_sigma_is_seen_within_200_samples():
    delays = []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        stream = np.concatenate([rng.normal(size=4000), rng.normal(0.5, 1, 400)]).tolist()
        delays.append(next(index for index in ours(Adwin(), stream) if index >= 4000) - 4000)

    assert np.median(delays) <= 200


def test_adwins_window_is_that_of_rivers():
    stream = np.random.default_rng(1).normal(size=3000).tolist()
    mine, other = Adwin(), drift.ADWIN()
    ours(mine, stream)
    theirs(other, stream)

    assert mine.width == other.width
    assert mine.total == pytest.approx(other.total)
    assert mine.variance == pytest.approx(other.variance * other.width, rel=1e-6) or mine.variance == pytest.approx(
        other.variance, rel=1e-6
    )
