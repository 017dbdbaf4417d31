"""Makes records from a data set, to fill a stream: a random order, and a world that changes if that is wanted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import ndimage

from qatflow.artifacts import Array
from qatflow.data import SOURCES
from qatflow.data.prepared import open_prepared
from qatflow.errors import DataError, lookup
from qatflow.online.records import LateLabel, Sample
from qatflow.params.data import DataParams

BLOCK = 500
START_S = 1_700_000_000.0
EVENTS_PER_S = 100.0
DEGREES, NOISE = 60.0, 0.4


@dataclass(frozen=True, eq=False)
class Pool:
    """Samples to choose from.

    Attributes:
        x: (n, *shape) in the data's own units.
        y: (n,) int64 classes, or (n, d) float32 targets.
    """

    x: Array
    y: Array


@dataclass(frozen=True)
class Feed:
    """What is made of a pool. Equal values give equal records.

    Attributes:
        count: Samples.
        drift: A name of `DRIFTS`, or None. It comes in over the middle half of the samples.
        label_delay: Labels follow their samples as records of their own, after so many other samples; 0 for with them.
    """

    count: int
    seed: int
    drift: str | None = None
    label_delay: int = 0


def open_pool(source: str) -> Pool:
    """Return the samples of `digits`, of a prepared project (its training split), or of an .npz.

    Raises:
        DataError: If it is none of them, or holds no samples.
        ArtifactError: If the project's data were altered.
    """
    prepared = Path(source) / "artifacts" / "prepare"
    if source == "digits":
        return _pool_of("digits", DataParams(source="digits"))
    if prepared.is_dir():
        data = open_prepared(prepared)
        x = data.train.raw(np.arange(data.train.count))
        return Pool(x.astype(data.card.x_dtype), data.train.labels())
    if source.endswith(".npz"):
        return _pool_of(source, DataParams(source="arrays", path=source))
    raise DataError(f"'{source}' is no source of samples; expected digits, a folder with artifacts/prepare, or an .npz")


def _pool_of(source: str, params: DataParams) -> Pool:
    raw = SOURCES[params.source](params)
    split = raw.splits.get("all") or raw.splits["train"]
    chunks = list(split())
    if not chunks:
        raise DataError(f"{source} holds no samples")
    return Pool(np.concatenate([chunk.x for chunk in chunks]), np.concatenate([chunk.y for chunk in chunks]))


def records(pool: Pool, feed: Feed) -> Iterator[Sample | LateLabel]:
    """Yield the records of a feed; ids are `SEED-NUMBER`, times 10 ms apart.

    Raises:
        DataError: If the pool does not suit the drift.
        ParamsError: If there is no such drift.
    """
    late: list[LateLabel] = []
    for sample in _samples(pool, feed):
        if not feed.label_delay or sample.label is None:
            yield sample
            continue
        yield Sample(sample.id, sample.time, sample.x)
        late.append(LateLabel(sample.id, sample.time + feed.label_delay / EVENTS_PER_S, sample.label))
        if len(late) > feed.label_delay:
            yield late.pop(0)
    yield from late


def _samples(pool: Pool, feed: Feed) -> Iterator[Sample]:
    change = lookup("drift", feed.drift, DRIFTS) if feed.drift is not None else None
    for start in range(0, feed.count, BLOCK):
        rng = np.random.default_rng((feed.seed, start))
        numbers = np.arange(start, min(start + BLOCK, feed.count))
        amount = np.clip((numbers / feed.count - 0.25) / 0.5, 0.0, 1.0)
        weights = _class_weights(pool.y, amount) if feed.drift == "classes" else None
        rows = _choose(rng, len(pool.x), len(numbers), weights)
        x = pool.x[rows] if change is None else change(pool, pool.x[rows], amount, rng)
        for number, row, one in zip(numbers.tolist(), rows, x, strict=True):
            y = pool.y[row]
            label = int(y) if pool.y.ndim == 1 else tuple(float(value) for value in y)
            yield Sample(f"{feed.seed}-{number}", START_S + number / EVENTS_PER_S, one, label)


def _choose(rng: np.random.Generator, size: int, count: int, weights: Array | None) -> Array:
    if weights is None:
        return rng.integers(0, size, count)
    drawn = rng.random(count)
    summed = np.cumsum(weights, axis=1)
    return np.array(
        [np.searchsorted(row, value * row[-1], side="right") for row, value in zip(summed, drawn, strict=True)]
    )


def _class_weights(y: Array, amount: Array) -> Array:
    """Return (b, n): the upper half of the classes takes over from the lower half."""
    if y.ndim != 1:
        raise DataError("Drift 'classes' needs classes; these data have other targets")
    upper = y > np.median(np.unique(y))
    return np.where(upper[None, :], amount[:, None], 1.0 - amount[:, None])


def _unchanged(_pool: Pool, x: Array, _amount: Array, _rng: np.random.Generator) -> Array:
    return x


def _rotated(pool: Pool, x: Array, amount: Array, _rng: np.random.Generator) -> Array:
    if x.ndim != 4:
        raise DataError(f"Drift 'rotation' needs images, (h, w, c); these samples have shape {x.shape[1:]}")
    turned = [
        ndimage.rotate(one.astype(np.float32), DEGREES * part, axes=(0, 1), reshape=False, order=1)
        for one, part in zip(x, amount, strict=True)
    ]
    return _as_before(pool, np.stack(turned))


def _noisy(pool: Pool, x: Array, amount: Array, rng: np.random.Generator) -> Array:
    width = float(pool.x.max()) - float(pool.x.min())
    noise = rng.standard_normal(x.shape, np.float32) * NOISE * width
    return _as_before(pool, x.astype(np.float32) + noise * amount.reshape(-1, *(1,) * (x.ndim - 1)).astype(np.float32))


def _as_before(pool: Pool, x: Array) -> Array:
    """Return values in the range and type of the pool."""
    x = np.clip(x, pool.x.min(), pool.x.max())
    return np.rint(x).astype(pool.x.dtype) if pool.x.dtype.kind in "iu" else x.astype(np.float32)


DRIFTS: Mapping[str, Callable[[Pool, Array, Array, np.random.Generator], Array]] = {
    "classes": _unchanged,  # it is in the choice of samples
    "noise": _noisy,
    "rotation": _rotated,
}
