"""Turns requests, as they came, into rows of the database and into what windows are made of: many at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any, NamedTuple

import numpy as np

from qatflow.artifacts import Array
from qatflow.monitoring.blobs import as_blobs, small
from qatflow.monitoring.features import describe
from qatflow.monitoring.records import Model
from qatflow.monitoring.reference import Reference, signals
from qatflow.monitoring.saturation import saturated_shares
from qatflow.monitoring.windows import Served


class Item(NamedTuple):
    """A request as the server answered it; see `Recorder.record`."""

    time: float
    request_id: str
    model_sha256: str
    latency_s: float
    x: Array
    scores: Array


@dataclass(frozen=True, eq=False)
class Batch:
    """Consecutive samples that one model answered.

    Attributes:
        ids: Of the samples.
        time: (n,) float64, Unix seconds.
    """

    model: Model
    ids: Sequence[str]
    time: Array
    served: Served

    def __len__(self) -> int:
        return len(self.ids)

    def rows(self, model: int, *, keep_inputs: bool) -> Iterator[tuple[Any, ...]]:
        """Yield what `records.append` takes; `model` is the number of the model there."""
        served = self.served
        known = self.model.task
        classes: Iterable[int | None] = repeat(None)
        if known == "classification":
            classes = served.scores.argmax(axis=1).tolist()
        inputs: Iterable[bytes | None] = repeat(None)
        if keep_inputs and served.x is not None:
            inputs = as_blobs(small(served.x))
        columns = (
            self.time.tolist(),
            self.ids,
            repeat(model),
            served.latency_s.tolist(),
            classes,
            signals(known, served.scores)[:, 0].tolist(),
            served.saturated.tolist(),
            as_blobs(served.features),
            as_blobs(served.scores),
            inputs,
        )
        return zip(*columns, strict=False)


def batches(items: Iterable[Item], references: Mapping[str, Reference], usual: Reference | None) -> list[Batch]:
    """Return batches of the requests, one for each model and shape, each in the order of the requests.

    Args:
        items: The requests.
        references: Digest of a model -> its reference.
        usual: Of the champion; a model without one that takes the same inputs is taken to have the same classes.
    """
    groups: dict[tuple[str, tuple[int, ...], int], list[Item]] = {}
    for item in items:
        groups.setdefault((item.model_sha256, item.x.shape[1:], item.scores.size // len(item.x)), []).append(item)
    return [_batch(group, references.get(key[0]), usual) for key, group in groups.items()]


def _batch(items: Sequence[Item], reference: Reference | None, usual: Reference | None) -> Batch:
    x = np.concatenate([item.x for item in items])
    counts = [len(item.x) for item in items]
    about = reference.about if reference else usual.about if usual and usual.about.shape == x.shape[1:] else None
    words = (about.task, about.classes) if about else ("", ())
    served = Served(
        x=x,
        features=describe(x),
        saturated=saturated_shares(x, reference.held) if reference else np.zeros(len(x), np.float32),
        scores=np.concatenate([item.scores.reshape(len(item.x), -1) for item in items]),
        latency_s=np.repeat([item.latency_s for item in items], counts),
    )
    time = np.repeat([item.time for item in items], counts)
    return Batch(Model(items[0].model_sha256, x.shape[1:], *words), _ids(items), time, served)


def _ids(items: Iterable[Item]) -> list[str]:
    """Return the ids of the samples: that of the request, with `/0`, `/1`, ... behind it where it has several."""
    ids: list[str] = []
    for item in items:
        several = len(item.x) > 1
        ids.extend(f"{item.request_id}/{index}" for index in range(len(item.x))) if several else ids.append(
            item.request_id
        )
    return ids
