"""Gate: noise promotes nobody. A challenger must be significantly better, or as good and smaller."""

from collections.abc import Mapping

from qatflow.evaluation.significance import mcnemar
from qatflow.release.base import Candidate, Champion, Context, GateResult

MARGIN = 0.01
"""Where no sample is right or wrong (regression, anomaly detection), scores this close count as equal."""


class BeatsChampion:
    """Passes if the candidate is significantly better, or not significantly worse and `min_saving` (a share) smaller.

    Significant: McNemar's test on the same test samples gives p < `alpha`; without right and wrong answers, the scores
    are more than `MARGIN` apart. Passes too if there is no champion, or one for other inputs or labels. A model that
    was rolled back does not return by itself.
    """

    settings: Mapping[str, tuple[float, float]] = {"alpha": (0.0, 1.0), "min_saving": (0.0, 1.0)}

    def __call__(self, candidate: Candidate, context: Context, settings: Mapping[str, float]) -> GateResult:
        """Judge the candidate; `measured` is the p-value."""
        alpha = settings["alpha"]
        champion = context.champion
        if candidate.sha256 in context.withdrawn:
            return _result(False, None, alpha, context.withdrawn[candidate.sha256])
        if champion is None:
            return _result(True, None, alpha, "there is no champion yet")
        if champion.sha256 == candidate.sha256:
            return _result(True, None, alpha, f"it is the champion, version {champion.version}")
        if champion.score is None:
            return _result(True, None, alpha, f"champion version {champion.version} is for other inputs or labels")
        return _compare(candidate, champion, champion.score, settings)


def _compare(
    candidate: Candidate, champion: Champion, champion_score: float, settings: Mapping[str, float]
) -> GateResult:
    p, significant, evidence = _significance(candidate, champion, champion_score, settings["alpha"])
    saving = 1.0 - candidate.size_bytes / champion.size_bytes
    better = significant and candidate.score > champion_score
    worse = significant and candidate.score < champion_score
    passed = better or (not worse and saving >= settings["min_saving"])
    judgement = "better" if better else "worse" if worse else "not significantly different"
    reason = (
        f"score {candidate.score:.4f} against {champion_score:.4f} of champion version {champion.version}, "
        f"{judgement} ({evidence}), and {saving:+.1%} of its bytes saved"
    )
    return _result(passed, p, settings["alpha"], reason)


def _significance(
    candidate: Candidate, champion: Champion, champion_score: float, alpha: float
) -> tuple[float | None, bool, str]:
    """Return the p-value if there is one, whether the scores differ significantly, and the evidence in words."""
    if candidate.correct is None or champion.correct is None:
        apart = abs(candidate.score - champion_score) > MARGIN
        return None, apart, f"{'more' if apart else 'not more'} than {MARGIN:g} apart"
    p = float(mcnemar(candidate.correct, champion.correct))
    return p, p < alpha, f"McNemar p = {p:.4f}, alpha {alpha:g}"


def _result(passed: bool, measured: float | None, threshold: float, reason: str) -> GateResult:
    return GateResult("beats_champion", passed, measured, threshold, reason)
