"""The type of receipt.json: what a release decided and why. Written and read here only."""

from __future__ import annotations

from typing import ClassVar, Literal

from qatflow.release.base import Candidate, Champion, GateResult
from qatflow.release.select import Verdict
from qatflow.results import Part, Result


class Shipped(Part):
    """A registered version, and the figures it was released with; sizes in bytes, latency the median."""

    version: int
    variant: str
    sha256: str
    score: float
    size_bytes: int
    latency_us: float

    @classmethod
    def of(cls, version: int, model: Candidate | Champion, score: float) -> Shipped:
        """Describe a model."""
        return cls(
            version=version,
            variant=model.variant,
            sha256=model.sha256,
            score=score,
            size_bytes=model.size_bytes,
            latency_us=model.latency_us,
        )


class Receipt(Result):
    """What a release came to.

    Attributes:
        variant: Of the champion after it; None, as the next two, while nothing was ever promoted.
        reasons: Plain sentences, the decision first.
        gates: Variant -> results.
        champion: After the release.
        pending: What waits for approval, if something does; not written else.
    """

    FILE: ClassVar[str] = "receipt.json"

    decision: Literal["promoted", "kept", "pending"]
    variant: str | None
    version: int | None
    model_sha256: str | None
    reasons: tuple[str, ...]
    gates: dict[str, tuple[GateResult, ...]]
    champion: Shipped | None
    pending: Shipped | None = None

    @classmethod
    def of(
        cls,
        decision: Literal["promoted", "kept", "pending"],
        reason: str,
        verdict: Verdict,
        champion: Shipped | None,
    ) -> Receipt:
        """Return the receipt of a decision, with its reason before those of the verdict."""
        return cls(
            decision=decision,
            variant=None if champion is None else champion.variant,
            version=None if champion is None else champion.version,
            model_sha256=None if champion is None else champion.sha256,
            reasons=(reason, *verdict.reasons),
            gates=dict(verdict.gates),
            champion=champion,
        )
