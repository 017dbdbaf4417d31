"""What became of one candidate of a search."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from qatflow.evaluation.alarm import Alarm

Status = Literal["measured", "skipped", "failed"]


@dataclass(frozen=True)
class Trial:
    """One strategy: its figures, or the reason why there are none.

    Attributes:
        reason: Why it was skipped or what failed; empty if it was measured.
        seconds: That it took to make and validate.
        val_score: Score on the validation split, which the search decides on; higher is better.
        score: The same on the test split.
        agreement: With the float flatbuffer on the test split, see `evaluation.agreement`.
        class_loss: What the recall of the worst class loses against float, see `search.classes`.
        lost: That class with its numbers, if it loses more than is allowed; else empty.
        size_bytes: Of the flatbuffer.
        zstd_bytes: Of the flatbuffer compressed, see `evaluation.sizes`.
        latency_us: Median of one sample, in microseconds.
        on_pareto_front: No other measured candidate is as good in both sizes, score and latency and better in one.
        widths: Layer -> weight bits, 32 for float.
        notes: What was treated otherwise than asked.
        alarm: What is badly wrong with the flatbuffer; None for nothing.
    """

    strategy: str
    status: Status
    reason: str = ""
    seconds: float = 0.0
    val_score: float | None = None
    class_loss: float = 0.0
    lost: str = ""
    score: float | None = None
    agreement: float | None = None
    size_bytes: int | None = None
    zstd_bytes: int | None = None
    latency_us: float | None = None
    on_pareto_front: bool = False
    widths: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    alarm: Alarm | None = None
    flatbuffer: bytes = field(default=b"", repr=False)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-like values, without the flatbuffer."""
        return {
            "strategy": self.strategy,
            "status": self.status,
            "reason": self.reason,
            "accuracy": self.score,
            "validation_accuracy": self.val_score,
            "agreement": self.agreement,
            "size_bytes": self.size_bytes,
            "size_zstd_bytes": self.zstd_bytes,
            "latency_us": self.latency_us,
            "seconds": round(self.seconds, 3),
            "on_pareto_front": self.on_pareto_front,
            "widths": dict(self.widths),
            "notes": [*self.notes, *([self.lost] if self.lost else [])],
            "alarm": None if self.alarm is None else str(self.alarm),
        }
