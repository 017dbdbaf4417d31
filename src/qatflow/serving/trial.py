"""A challenger beside the champion: in the shadow, or with a share of the traffic; and when it has lost."""

from __future__ import annotations

import hashlib
from collections import deque
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Literal

import numpy as np

from qatflow.params.serving import CanaryParams
from qatflow.serving.served import Answer, ServedModel

Mode = Literal["shadow", "canary"]
BUCKETS = 10_000
TIMED = 500
JUDGED_EVERY = 20
"""Medians of latencies are taken after so many requests, not after each."""


@dataclass
class Trial:
    """A challenger and what is known of it so far. Changed by the event loop's thread alone.

    Attributes:
        requests: That the challenger answered or failed, also in the shadow.
        compared: Samples that both answered; `agreed` of them got the same class.
        seconds: Of the champion and of the challenger for the last compared requests, one after the other in the same
            thread. Their medians are compared: one call that lost its processor for 5 ms would rule a mean.
        reasons: Why it was retired; empty while it is in the running.
        is_noted: Whether its retreat was logged.
    """

    challenger: ServedModel
    mode: Mode
    share: float
    bounds: CanaryParams
    requests: int = 0
    errors: int = 0
    skipped: int = 0
    compared: int = 0
    agreed: int = 0
    seconds: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=TIMED))
    reasons: list[str] = field(default_factory=list)
    is_noted: bool = False

    def takes(self, client: str) -> bool:
        """Say whether the challenger answers this client: always the same answer for one client and challenger."""
        if self.mode != "canary" or self.reasons:
            return False
        digest = hashlib.blake2b(f"{self.challenger.sha256}:{client}".encode(), digest_size=8).digest()
        return int.from_bytes(digest, "big") % BUCKETS < self.share * BUCKETS

    def watches(self, model: ServedModel) -> bool:
        """Say whether what this model answered is to be run through both: of a canary, what the challenger answered."""
        return not self.reasons and (self.mode == "shadow" or model is self.challenger)

    def failed(self) -> None:
        """Count a request that the challenger could not answer."""
        self.requests += 1
        self.errors += 1
        self._judge()

    def compare(self, champion: Answer, challenger: Answer) -> None:
        """Count two answers to the same request."""
        self.requests += 1
        self.compared += len(champion.scores)
        self.agreed += _agreed(champion, challenger)
        self.seconds.append((champion.infer_s, challenger.infer_s))
        self._judge()

    def status(self) -> dict[str, Any]:
        """Return all figures, and the verdict: `trying`, `good` or `retreated`."""
        return {
            "challenger_sha256": self.challenger.sha256,
            "challenger_version": self.challenger.version,
            "mode": self.mode,
            "share": self.share,
            "requests": self.requests,
            "errors": self.errors,
            "skipped": self.skipped,
            "compared_samples": self.compared,
            "agreement": self.agreed / self.compared if self.compared else None,
            "latency_ratio": self.latency_ratio,
            "verdict": self.verdict,
            "reasons": self.reasons,
        }

    @property
    def latency_ratio(self) -> float | None:
        """The challenger's median latency in units of the champion's."""
        if not self.seconds:
            return None
        champion, challenger = (median(column) for column in zip(*self.seconds, strict=True))
        return float(challenger / champion)

    @property
    def verdict(self) -> str:
        """`retreated` once a bound was crossed, `good` after enough requests, before that `trying`."""
        if self.reasons:
            return "retreated"
        return "good" if self.requests >= self.bounds.min_requests else "trying"

    def _judge(self) -> None:
        """Retire the challenger as soon as it cannot meet a bound at `min_requests` any more."""
        bounds, needed = self.bounds, max(self.requests, self.bounds.min_requests)
        if self.errors > bounds.max_error_share * needed:
            self.reasons.append(f"{self.errors} of {self.requests} requests failed")
        missed = self.compared - self.agreed
        if missed > (1 - bounds.min_agreement) * max(self.compared, bounds.min_requests):
            self.reasons.append(f"agrees with the champion on {self.agreed} of {self.compared} samples")
        if self.requests >= bounds.min_requests and self.requests % JUDGED_EVERY == 0:
            ratio = self.latency_ratio or 0.0
            if ratio > bounds.max_latency_ratio:
                self.reasons.append(f"takes {ratio:.2f} times the champion's time")


def _agreed(one: Answer, other: Answer) -> int:
    """Return on how many samples both say the same: the class, or a value within 5 % of the champion's spread."""
    if one.labels is not None and other.labels is not None:
        return int((one.labels == other.labels).sum())
    tolerance = 0.05 * float(np.ptp(one.scores) or np.abs(one.scores).max() or 1.0)
    near = np.abs(one.scores - other.scores) <= tolerance
    return int(near.reshape(len(near), -1).all(axis=1).sum())
