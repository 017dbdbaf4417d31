"""Joins labels that come later, or too early, to their samples, within a bounded window.

What comes out depends on the records and their order alone, never on the clock, so that a killed join that goes on from
its state gives what an undisturbed one would have given.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from qatflow.artifacts import Array
from qatflow.online.records import Label, LateLabel, Sample

COUNTS = ("samples", "labels", "joined", "expired", "late", "unknown", "duplicate", "relabelled")
REMEMBERED = 4


@dataclass(frozen=True, eq=False)
class Joined:
    """A sample with its label.

    Attributes:
        time: Unix seconds, of the sample.
        x: (*input shape) float32.
    """

    id: str
    time: float
    x: Array
    label: Label


class Join:
    """Samples wait for their labels, and labels for their samples.

    Attributes:
        counts: `samples` and `labels` taken; `joined` ones; samples that `expired`, since too many came after them;
            labels that were too `late` for the window or for memory, or of an `unknown` sample that did not come;
            `duplicate` samples and labels; labels that say something else than before (`relabelled`: only the first one
            is learned).

    Args:
        shape: Of one sample.
        max_waiting: So many samples wait at most, and so many labels; beyond it the oldest go.
        window_s: A label that is further from its sample, by the times in both records, is too late. Since times are
            only compared within a pair, one wrong clock spoils no other pair.
        remembered: Ids that duplicates are found by; by default four times `max_waiting`.
    """

    def __init__(
        self, shape: tuple[int, ...], max_waiting: int, window_s: float = math.inf, remembered: int | None = None
    ) -> None:
        self._shape, self._max_waiting, self._window_s = shape, max_waiting, window_s
        self._max_remembered = REMEMBERED * max_waiting if remembered is None else remembered
        self._waiting: OrderedDict[str, Sample] = OrderedDict()
        self._early: OrderedDict[str, LateLabel] = OrderedDict()
        self._done: OrderedDict[str, Label | None] = OrderedDict()
        self.counts = dict.fromkeys(COUNTS, 0)

    @property
    def waiting(self) -> int:
        """How many samples wait for their label."""
        return len(self._waiting)

    def take(self, record: Sample | LateLabel) -> Joined | None:
        """Take the next record of the stream; return a sample that now has its label, if there is one."""
        if isinstance(record, LateLabel):
            self.counts["labels"] += 1
            return self._take_label(record)
        self.counts["samples"] += 1
        return self._take_sample(record)

    def _take_sample(self, sample: Sample) -> Joined | None:
        if sample.id in self._waiting or sample.id in self._done:
            if sample.label is not None:  # sent again, now with its label
                return self._take_label(LateLabel(sample.id, sample.time, sample.label))
            self.counts["duplicate"] += 1
            return None
        early = self._early.pop(sample.id, None)
        if sample.label is not None:
            if early is not None:
                self._count_again(early.label, sample.label)
            return self._join(sample, sample.label)
        if early is not None:
            return self._pair(sample, early)
        self._waiting[sample.id] = sample
        if len(self._waiting) > self._max_waiting:
            self._remember(self._waiting.popitem(last=False)[0], None)
            self.counts["expired"] += 1
        return None

    def _take_label(self, label: LateLabel) -> Joined | None:
        sample = self._waiting.pop(label.id, None)
        if sample is not None:
            return self._pair(sample, label)
        if label.id in self._done:
            before = self._done[label.id]
            if before is None:
                self.counts["late"] += 1
            else:
                self._count_again(before, label.label)
            return None
        if label.id in self._early:
            self._count_again(self._early[label.id].label, label.label)
            return None
        self._early[label.id] = label
        if len(self._early) > self._max_waiting:
            self._early.popitem(last=False)
            self.counts["unknown"] += 1
        return None

    def _pair(self, sample: Sample, label: LateLabel) -> Joined | None:
        if abs(label.time - sample.time) > self._window_s:
            self.counts["late"] += 1
            self._remember(sample.id, None)
            return None
        return self._join(sample, label.label)

    def _join(self, sample: Sample, label: Label) -> Joined:
        self.counts["joined"] += 1
        self._remember(sample.id, label)
        return Joined(sample.id, sample.time, sample.x, label)

    def _count_again(self, before: Label, now: Label) -> None:
        self.counts["duplicate" if before == now else "relabelled"] += 1

    def _remember(self, name: str, label: Label | None) -> None:
        self._done[name] = label
        if len(self._done) > self._max_remembered:
            self._done.popitem(last=False)

    def arrays(self) -> dict[str, Array]:
        """Return the inputs that wait, (n, *input shape) float32."""
        x = np.zeros((len(self._waiting), *self._shape), np.float32)
        for row, sample in zip(x, self._waiting.values(), strict=True):
            row[...] = sample.x
        return {"x": x}

    def state(self) -> dict[str, Any]:
        """Return the rest of its state, as JSON."""
        return {
            "waiting": [[sample.id, sample.time] for sample in self._waiting.values()],
            "early": [[label.id, label.time, label.label] for label in self._early.values()],
            "done": [[name, label] for name, label in self._done.items()],
            "counts": dict(self.counts),
        }

    def restore(self, arrays: Mapping[str, Array], state: Mapping[str, Any]) -> None:
        """Go on from what `arrays` and `state` returned."""
        rows = zip(state["waiting"], np.array(arrays["x"], np.float32), strict=True)
        self._waiting = OrderedDict((name, Sample(name, time, x)) for (name, time), x in rows)
        early = ((name, time, _from_json(label)) for name, time, label in state["early"])
        self._early = OrderedDict((name, LateLabel(name, time, label)) for name, time, label in early)
        self._done = OrderedDict((name, None if label is None else _from_json(label)) for name, label in state["done"])
        self.counts = {name: int(state["counts"][name]) for name in COUNTS}


def _from_json(label: Any) -> Label:
    found: Label = tuple(label) if isinstance(label, list) else label
    return found
