"""The values that a release decides on, and what a gate is. Pure: no files, no registry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from qatflow.artifacts import sha256_bytes
from qatflow.evaluation.answers import Answers
from qatflow.evaluation.result import Evaluation, Timings


@dataclass(frozen=True)
class Candidate:
    """A measured variant that asks to be released.

    Attributes:
        variant: Name of its quantization strategy.
        trained: Whether the strategy trains (QAT), or only calibrates (PTQ).
        evaluation: Its figures on the test split.
        answers: `test` and `val` of its own, `test_float` and `val_float` of the float model.
        model: The flatbuffer.
        ensemble: Content of ensemble.json; empty unless it is an ensemble.
        is_foreign: Whether it began with weights from elsewhere, so that nobody here knows what these were trained on.
        explanation: Its drift in explanation.json, see `explain.drift.summarize`; empty where nothing was explained.
    """

    variant: str
    trained: bool
    evaluation: Evaluation
    timings: Timings
    answers: Mapping[str, Answers] = field(repr=False)
    model: bytes = field(repr=False)
    ensemble: Mapping[str, Any] = field(default_factory=dict)
    explanation: Mapping[str, Any] = field(default_factory=dict)
    is_foreign: bool = False

    @property
    def members(self) -> Mapping[str, Mapping[str, Any]]:
        """Of an ensemble: name -> weight, score, size_bytes and sha256; else empty."""
        return dict(self.ensemble.get("members", {}))

    @property
    def score(self) -> float:
        """The task's one figure of merit; higher is better."""
        return self.evaluation.score

    @property
    def size_bytes(self) -> int:
        """Size of the flatbuffer, uncompressed."""
        return len(self.model)

    @property
    def sha256(self) -> str:
        """Digest of the flatbuffer."""
        return sha256_bytes(self.model)

    @property
    def latency_us(self) -> float:
        """Median latency of one sample, in microseconds."""
        return self.timings.latency_us.p50


@dataclass(frozen=True)
class Champion:
    """The promoted model as it is now, measured on the data of this release where it can take them.

    Attributes:
        score: Its score; None if it was made for other inputs or labels, so that nothing can be compared.
        answers: On the test split; None as above.
        latency_us: Median latency as measured when it was registered, in microseconds.
        is_fair: Whether it is known that no sample counts which may have trained it.
    """

    version: int
    variant: str
    sha256: str
    score: float | None
    answers: Answers | None
    size_bytes: int
    latency_us: float
    is_fair: bool = True


@dataclass(frozen=True)
class GoldenCheck:
    """How a bundle did in a clean process: the largest difference from its golden outputs, or why it did not run.

    Attributes:
        max_lsb: In steps of the output tensor (for float tensors in units of the last place); None if it did not run.
        error: What went wrong; empty if it ran.
    """

    max_lsb: float | None
    error: str = ""


@dataclass(frozen=True)
class Context:
    """What a gate may compare a candidate with.

    Attributes:
        candidates: All candidates of this release, by variant.
        champion: The present champion, if there is one.
        golden: Variant -> its golden check.
        withdrawn: Digest of a model that was rolled back -> who did so and why.
        best: The last of the champion's line that was shown to be better than those before it; see `lineage`. None
            where there is no champion, or none of its line is left.
        objective: What a model that is as good must save: `size`, `latency`, or nothing will do (`quality`).
        sound: Candidates that keep all bounds that are their own, whatever they are compared with.
    """

    candidates: Mapping[str, Candidate]
    champion: Champion | None
    golden: Mapping[str, GoldenCheck]
    withdrawn: Mapping[str, str] = field(default_factory=dict)
    best: Champion | None = None
    objective: str = "size"
    sound: frozenset[str] = frozenset()


@dataclass(frozen=True)
class GateResult:
    """One gate's verdict on one candidate.

    Attributes:
        measured: The figure that decided; None if the gate had nothing to measure.
        threshold: The bound it was held against.
        reason: Half a sentence with the figures, such as "agreement 0.93 is below 0.95".
    """

    gate: str
    passed: bool
    measured: float | None
    threshold: float
    reason: str

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON-like values."""
        return asdict(self)


class Gate(Protocol):
    """A condition that a model must meet to be released.

    A gate is pure: equal arguments give equal results, it reads no file, clock or network, and it changes nothing.
    It never raises on a bad candidate; it refuses it, and the reason says with which figure against which bound.
    """

    @property
    def settings(self) -> Mapping[str, tuple[float, float]]:
        """The settings the gate needs, all of them: name -> lowest and highest value allowed."""
        ...

    def __call__(self, candidate: Candidate, context: Context, settings: Mapping[str, float], /) -> GateResult:
        """Judge `candidate`; `settings` holds exactly the names of `self.settings`, each in its range."""
        ...
