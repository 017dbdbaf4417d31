"""Judges a candidate: a fixed hold-out against forgetting, and the recent window, where it must beat the champion.

Both are compared with what is deployed: a limit that counts from another model lets a worse one through.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np

from qatflow.artifacts import Array, sha256_bytes
from qatflow.evaluation.bounds import share_bounds
from qatflow.online.figures import Window
from qatflow.params.online import OnlineParams
from qatflow.tflite.runtime import Runner

ALPHA = 0.05
"""Level at which the window must show that a candidate is better: one sample more is no gain."""


@dataclass(frozen=True)
class Judged:
    """A candidate and what came of it.

    Attributes:
        number: From 1.
        learned: Samples that had been learned.
        classes: Names of the model's classes.
        offset: Of the last record that had been read.
        holdout, holdout_at_start: Accuracy on the test split, of this model and of what was deployed at the start.
        window, window_champion: Accuracy on the recent window, of this model and of the champion.
        window_samples: Its samples. The candidate has learned most of them, the champion may have.
        reasons: Why it is dropped; empty if it passes.
        outcome: `dropped`, `pending` until its release was tried, then `promoted` or `refused: …`.
        holdout_champion: Accuracy on the test split of what was deployed then; None where older checkpoints lack it.
    """

    number: int
    learned: int
    classes: tuple[str, ...]
    offset: str
    sha256: str
    size_bytes: int
    holdout: float
    holdout_at_start: float
    window: float
    window_champion: float
    window_samples: int
    reasons: tuple[str, ...]
    outcome: str
    holdout_champion: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON-like values."""
        return {**asdict(self), "classes": list(self.classes), "reasons": list(self.reasons)}

    @classmethod
    def from_dict(cls, found: dict[str, Any]) -> Judged:
        """Return what `to_dict` wrote."""
        return cls(**{**found, "classes": tuple(found["classes"]), "reasons": tuple(found["reasons"])})


class Place(NamedTuple):
    """Where in its course a candidate is made: see `Judged`."""

    number: int
    learned: int
    classes: tuple[str, ...]
    offset: str
    holdout_at_start: float


@dataclass(frozen=True, eq=False)
class Judge:
    """What all candidates of a course are held to.

    Attributes:
        x, labels: The hold-out, (n, *input shape) float32 and (n,).
    """

    x: Array
    labels: Array
    settings: OnlineParams

    def holdout(self, runner: Runner) -> float:
        """Return a model's accuracy on the hold-out."""
        return float(right(runner, self.x, self.labels).mean())

    def __call__(self, model: bytes, champion: Runner, window: Window, place: Place) -> Judged:
        """Return the verdict on a flatbuffer."""
        runner = Runner(model)
        holdout, deployed = self.holdout(runner), self.holdout(champion)
        now, then = (right(one, window.x, window.labels) for one in (runner, champion))
        recent, before = float(now.mean()), float(then.mean())
        reasons = []
        limit = max(deployed, place.holdout_at_start)  # else small losses would add up from candidate to candidate
        if holdout < limit - self.settings.max_holdout_drop - 1e-9:
            of = "what is deployed" if limit == deployed else "what was deployed at the start"
            reasons.append(f"hold-out {holdout:.4f} is more than max_holdout_drop below {limit:.4f} of {of}")
        gain, _ = share_bounds(int((now & ~then).sum()), int((then & ~now).sum()), len(now), ALPHA)
        if gain <= self.settings.min_window_gain:
            beats = "does not surely beat" if recent > before else "does not beat"
            reasons.append(f"window {recent:.4f} {beats} the champion's {before:.4f} by min_window_gain")
        return Judged(
            **place._asdict(),
            sha256=sha256_bytes(model),
            size_bytes=len(model),
            holdout=holdout,
            window=recent,
            window_champion=before,
            window_samples=len(window.labels),
            reasons=tuple(reasons),
            outcome="dropped" if reasons else "pending",
            holdout_champion=deployed,
        )


def right(runner: Runner, x: Array, labels: Array) -> Array:
    """Return whether the likeliest class of samples (n, *input shape) is right, (n,) bool."""
    return np.asarray(runner.predict(x).argmax(axis=1) == labels)
