"""What watching found, as frozen values that are JSON: drift, features, classes, health, labels. No computing here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Finding:
    """What one statistic says.

    Attributes:
        value: In its own unit: PSI, KS distance, Cramér's V, squared MMD.
        p: Corrected for the parts of the statistic.
        adjusted_p: Corrected for all statistics too (Holm); at most `alpha` is drift.
    """

    value: float
    p: float
    adjusted_p: float
    drifted: bool


@dataclass(frozen=True)
class Feature:
    """What happened to one feature of the inputs.

    Attributes:
        effect: Its mean in the window less that of the reference, in standard deviations of the reference.
        psi: Population stability index.
        adjusted_p: Benjamini-Hochberg over the features; at most `alpha` is drift.
    """

    name: str
    effect: float
    psi: float
    p: float
    adjusted_p: float
    drifted: bool


@dataclass(frozen=True)
class Health:
    """How the device bears the model. The baseline is the first window that this model was watched for.

    Attributes:
        latency_ms: Median of the window's requests.
        memory_mb: Resident memory of the server; None when another process looks.
        saturated: Mean share of an input's values that the input tensor cannot hold; `saturated_reference` in training.
        worries: One sentence for each that is out of bounds.
    """

    latency_ms: float
    latency_baseline_ms: float | None
    latency_p99_ms: float
    memory_mb: float | None
    memory_baseline_mb: float | None
    saturated: float
    saturated_reference: float
    worries: tuple[str, ...]


@dataclass(frozen=True)
class Labelled:
    """What the labels say that have arrived.

    Attributes:
        samples: Last labelled records of this model that `error` and `accuracy` are of, at most one window.
        accuracy: None unless the task is classification.
        error: Mean error: share of wrong classes, or mean absolute error; None while there are no labels.
        reference_accuracy: On the validation samples.
        changes: Detector -> how many labels ago it last saw the error change; None if it never did.
    """

    samples: int
    accuracy: float | None
    error: float | None
    reference_accuracy: float | None
    changes: Mapping[str, int | None]


@dataclass(frozen=True)
class DriftReport:
    """One window against the reference.

    Attributes:
        when: UTC, ISO 8601.
        model_sha256: Of the flatbuffer that answered.
        samples: In the window.
        last_seq: Of its last record.
        window_sha256: Digest of the window's inputs and scores.
        alpha: Probability that a window without drift is called drifted.
        drifted: Whether any statistic is at most `alpha` after Holm's correction.
        error_changed: Whether a detector has seen the error change, at most a window of labels ago.
        reasons: A sentence for each statistic that has drifted, and for each detector that sees the error change.
        classes: Class -> share of the predictions, in the reference and in the window.
        confidence: Edges of ten bins, and shares of the first signal in them, in the reference and in the window.
    """

    when: str
    model_sha256: str
    samples: int
    last_seq: int
    window_sha256: str
    alpha: float
    drifted: bool
    error_changed: bool
    reasons: tuple[str, ...]
    statistics: Mapping[str, Finding]
    features: tuple[Feature, ...]
    classes: Mapping[str, tuple[float, float]]
    confidence: Mapping[str, tuple[float, ...]]
    health: Health
    labelled: Labelled

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-like values."""
        return asdict(self)
