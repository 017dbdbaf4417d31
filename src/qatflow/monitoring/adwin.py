"""ADWIN: a window over a stream that shrinks when its older part differs from its newer one. State is JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

DELTA, CLOCK, MAX_BUCKETS, LEAST, GRACE = 0.002, 32, 5, 5, 10
Bucket = tuple[float, float]  # total and variance (sum of squared deviations)


class Adwin:
    """Detects a change of the mean of a stream (Bifet and Gavaldà, SIAM Data Mining 2007), as river 0.26 does.

    The window is kept as an exponential histogram: `rows[i]` holds buckets of 2**i values each, oldest first, at most
    `MAX_BUCKETS` before two of them merge. Every `CLOCK` values each cut between buckets is tried. After a change it
    begins anew.
    """

    def __init__(self, state: Mapping[str, Any] | None = None) -> None:
        self._begin(state or {})

    def _begin(self, state: Mapping[str, Any]) -> None:
        self.rows: list[list[Bucket]] = [[(t, v) for t, v in row] for row in state.get("rows", [[]])]
        self.width: int = state.get("width", 0)
        self.total: float = state.get("total", 0.0)
        self.variance: float = state.get("variance", 0.0)
        self.tick: int = state.get("tick", 0)

    def state(self) -> dict[str, Any]:
        """Return all of it as JSON-like values, from which the constructor goes on."""
        rows = [[list(bucket) for bucket in row] for row in self.rows]
        return {"rows": rows, **{name: getattr(self, name) for name in ("width", "total", "variance", "tick")}}

    def update(self, value: float) -> bool:
        """Take the next value; return whether the mean has changed."""
        self._insert(value)
        self.tick += 1
        if self.tick % CLOCK or self.width <= GRACE:
            return False
        changed = False
        while self._has_cut():
            changed = True
            self._drop_oldest()
        if changed:
            self._begin({})
        return changed

    def _insert(self, value: float) -> None:
        self.rows[0].append((value, 0.0))
        if self.width:
            self.variance += self.width * (value - self.total / self.width) ** 2 / (self.width + 1)
        self.width += 1
        self.total += value
        self._compress()

    def _compress(self) -> None:
        for level in range(len(self.rows)):
            if len(self.rows[level]) <= MAX_BUCKETS:
                return
            (t0, v0), (t1, v1) = self.rows[level][:2]
            del self.rows[level][:2]
            if level + 1 == len(self.rows):
                self.rows.append([])
            size = 2.0**level
            self.rows[level + 1].append((t0 + t1, v0 + v1 + size * (t0 / size - t1 / size) ** 2 / 2))

    def _has_cut(self) -> bool:
        """Return whether some cut between buckets, older ones to the left, separates two different means."""
        left, total = 0, 0.0
        for level in range(len(self.rows) - 1, -1, -1):
            for bucket in self.rows[level]:
                left, total = left + 2**level, total + bucket[0]
                right = self.width - left
                if right < LEAST:
                    return False
                if left >= LEAST and abs(total / left - (self.total - total) / right) > self._bound(left, right):
                    return True
        return False

    def _bound(self, left: int, right: int) -> float:
        confidence = math.log(2.0 * math.log(self.width) / DELTA)
        m = 1.0 / (left - LEAST + 1) + 1.0 / (right - LEAST + 1)
        spread = max(0.0, self.variance) / self.width
        return math.sqrt(2.0 * m * spread * confidence) + 2.0 / 3.0 * m * confidence

    def _drop_oldest(self) -> None:
        level = len(self.rows) - 1
        total, variance = self.rows[level].pop(0)
        size = 2**level
        self.width -= size
        self.total -= total
        difference = total / size - self.total / self.width
        self.variance -= variance + size * self.width * difference**2 / (size + self.width)
        while len(self.rows) > 1 and not self.rows[-1]:
            self.rows.pop()
