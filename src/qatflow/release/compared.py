"""How a candidate stands beside another model on the same test samples: better, as good and cheaper, or neither."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from qatflow.evaluation.answers import Answers, Difference, difference, samples_needed
from qatflow.release.base import Candidate, Champion

RANGES: Mapping[str, tuple[float, float]] = {"alpha": (1e-6, 0.5), "margin": (0.0, 1.0), "min_saving": (0.0, 1.0)}
"""Settings of a gate that lets pass what is better, or as good and cheaper."""
COSTS = {"size": "size_bytes", "latency": "latency_us"}
"""Objective -> what is to be saved; under any other nothing counts but the score."""


@dataclass(frozen=True)
class Compared:
    """A candidate beside another model.

    Attributes:
        found: The difference of their scores.
        alpha: Level of its bounds.
        margin: Loss that is still "as good".
    """

    found: Difference
    alpha: float
    margin: float

    @property
    def better(self) -> bool:
        """Whether a difference as large would be chance in a share `alpha` of cases at most."""
        return self.found.low > 0

    @property
    def as_good(self) -> bool:
        """Whether it is shown not to lose more than the margin (non-inferior)."""
        return self.found.low >= -self.margin

    @property
    def possible_loss(self) -> float:
        """What the candidate may truly lose; negative where it surely gains."""
        return round(-self.found.low, 9)

    @property
    def judgement(self) -> str:
        """Half a sentence, to be followed by the other model's name."""
        return "better than" if self.better else "as good as" if self.as_good else "not shown to be as good as"

    def words(self) -> str:
        """Say how far apart they are, and what more samples would tell."""
        loss = (
            f"may lose up to {self.possible_loss:.4f}" if self.found.low < 0 else f"gains {self.found.low:.4f} at least"
        )
        said = f"{self.found.estimate:+.4f}, {loss} ({1 - self.alpha:.2%} sure, {self.found.samples} samples)"
        needed = None if self.as_good else samples_needed(self.found, self.margin)
        if needed is None:
            return said
        shown = f"that it loses less than {self.margin:g}" if self.margin else "that it gains"
        return f"{said}; were it so, about {needed:,} samples would show {shown}"


def compared(candidate: Candidate, other: Answers, settings: Mapping[str, float]) -> Compared:
    """Compare a candidate with another model's answers to the test split, or to those samples that it answered.

    Raises:
        KeyError: If its own answers are not known.
        ValueError: If they are not to the same samples.
    """
    alpha, margin = settings["alpha"], settings.get("margin", 0.0)
    return Compared(difference(candidate.answers["test"].on(other.rows), other, alpha), alpha, margin)


def saving(candidate: Candidate, other: Candidate | Champion, objective: str) -> float | None:
    """Return the share of the other's cost that a candidate saves; None where the objective counts no cost."""
    if objective not in COSTS:
        return None
    cost, before = (float(getattr(model, COSTS[objective])) for model in (candidate, other))
    return 1.0 - cost / before


def gives_more(
    candidate: Candidate,
    other: Candidate | Champion,
    theirs: Answers,
    name: str,
    settings: Mapping[str, float],
    objective: str,
) -> tuple[bool, Compared, str]:
    """Return whether a candidate is surely better, or surely as good and `min_saving` cheaper; how; and it in words.

    Raises:
        KeyError, ValueError: See `compared`.
    """
    against, saved = compared(candidate, theirs, settings), saving(candidate, other, objective)
    passed = against.better or (against.as_good and saved is not None and saved >= settings["min_saving"])
    return passed, against, f"{against.judgement} {name}: {against.words()}; it saves {in_words(saved, objective)}"


def in_words(saved: float | None, objective: str) -> str:
    """Say what is saved."""
    return "nothing that the objective counts" if saved is None else f"{saved:+.1%} of its {objective}"
