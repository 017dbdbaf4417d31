"""Judges a window: every statistic against the reference, corrected for their number, and what else there is to say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import numpy as np

from qatflow.artifacts import Array
from qatflow.errors import lookup
from qatflow.monitoring.drift_report import DriftReport, Feature, Finding, Health, Labelled
from qatflow.monitoring.multiple import holm
from qatflow.monitoring.reference import Reference
from qatflow.monitoring.statistics import STATISTICS, Outcome, Window
from qatflow.monitoring.windows import Served, window_of

CONFIDENCE_BINS = 10
SAYS = {
    "psi": "inputs: {} of {} features have moved",
    "ks": "scores are distributed differently",
    "chi2": "classes come up with other frequencies",
    "mmd": "inputs as a whole look different",
}


def check_statistics(names: Sequence[str]) -> None:
    """Check the names of drift statistics.

    Raises:
        ParamsError: If there is no such statistic.
    """
    for name in names:
        lookup("drift statistic", name, STATISTICS)


def examine(  # noqa: PLR0913, PLR0917 (everything that a report speaks of)
    reference: Reference,
    served: Served,
    names: Sequence[str],
    alpha: float,
    health: Health,
    labelled: Labelled,
    last_seq: int = 0,
) -> DriftReport:
    """Compare a window of one answer or more with the reference.

    If nothing has drifted, the report says so with probability `1 - alpha` at least: Holm over the statistics holds the
    probability of any false alarm in a window, whatever the statistics have to do with each other. Within PSI,
    Benjamini-Hochberg holds the share of features that are named wrongly.

    Raises:
        ParamsError: If there is no such statistic.
    """
    check_statistics(names)
    digest = served.digest()
    window = window_of(reference, served, digest)
    outcomes = {name: outcome for name in names if (outcome := STATISTICS[name](reference, window)) is not None}
    findings = _findings(outcomes, alpha)
    features = _features(reference, window, outcomes.get("psi"), alpha)
    changed = [name for name, ago in labelled.changes.items() if ago is not None and ago <= len(served)]
    return DriftReport(
        when=datetime.now(UTC).isoformat(timespec="milliseconds"),
        model_sha256=reference.about.model_sha256,
        samples=len(served),
        last_seq=last_seq,
        window_sha256=digest,
        alpha=alpha,
        drifted=any(finding.drifted for finding in findings.values()),
        error_changed=bool(changed),
        reasons=_reasons(findings, features, changed),
        statistics=findings,
        features=features,
        classes=_classes(reference, window.classes),
        confidence=_confidence(reference.signals[:, 0], window.signals[:, 0]),
        health=health,
        labelled=labelled,
    )


def _findings(outcomes: Mapping[str, Outcome], alpha: float) -> dict[str, Finding]:
    adjusted = holm(np.array([outcome.p for outcome in outcomes.values()])).tolist()
    pairs = zip(outcomes.items(), adjusted, strict=True)
    return {name: Finding(outcome.value, outcome.p, p, p <= alpha) for (name, outcome), p in pairs}


def _features(reference: Reference, window: Window, psi: Outcome | None, alpha: float) -> tuple[Feature, ...]:
    mean, std = reference.moments.T
    effects = (window.features.mean(axis=0) - mean) / np.where(std > 0, std, 1.0)
    if psi is None:
        return ()
    pairs = zip(psi.parts, effects.tolist(), strict=True)
    return tuple(
        Feature(part.name, effect, part.value, part.p, part.adjusted_p, part.adjusted_p <= alpha)
        for part, effect in pairs
    )


def _reasons(findings: Mapping[str, Finding], features: Sequence[Feature], changed: Sequence[str]) -> tuple[str, ...]:
    moved = sum(feature.drifted for feature in features)
    said = [
        f"{name}: {SAYS.get(name, 'drifted').format(moved, len(features))} (p {finding.adjusted_p:.2g})"
        for name, finding in findings.items()
        if finding.drifted
    ]
    return (*said, *(f"{name}: the error on labelled samples has changed" for name in changed))


def _classes(reference: Reference, classes: Array) -> dict[str, tuple[float, float]]:
    names = reference.about.classes
    counts = np.bincount(classes, minlength=len(names))
    shares = (reference.class_counts / max(1, reference.class_counts.sum()), counts / max(1, len(classes)))
    return {name: (float(old), float(new)) for name, old, new in zip(names, *shares, strict=True)}


def _confidence(reference: Array, window: Array) -> dict[str, tuple[float, ...]]:
    """Return edges, and shares of both samples between them; what lies outside counts in the outermost bins."""
    low, high = float(reference.min()), float(reference.max())
    edges = np.linspace(low, high if high > low else low + 1.0, CONFIDENCE_BINS + 1)
    clipped = (
        np.histogram(np.clip(values, edges[0], edges[-1]), edges)[0] / len(values) for values in (reference, window)
    )
    old, new = (tuple(shares.tolist()) for shares in clipped)
    return {"edges": tuple(edges.tolist()), "reference": old, "window": new}
