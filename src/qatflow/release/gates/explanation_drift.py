"""Gate: the quantized model must decide for the float model's reasons."""

from collections.abc import Mapping

from qatflow.release.base import Candidate, Context, GateResult


class ExplanationDrift:
    """Passes if the mean rank correlation of its attributions with the float ones is at least `min_rank_correlation`.

    A candidate that was not explained is refused, since nobody knows its reasons.
    """

    settings: Mapping[str, tuple[float, float]] = {"min_rank_correlation": (0.0, 1.0)}

    def __call__(self, candidate: Candidate, _context: Context, settings: Mapping[str, float]) -> GateResult:
        """Judge the candidate."""
        limit = settings["min_rank_correlation"]
        if not candidate.explanation:
            reason = "no prediction of it was explained: raise explain.samples, or take this gate out"
            return GateResult("explanation_drift", False, None, limit, reason)
        found = float(candidate.explanation["rank_correlation"]["mean"])
        passed = found >= limit
        reason = (
            f"rank correlation {found:.4f} of its reasons with the float model's is "
            f"{'at least' if passed else 'below'} {limit:g}"
        )
        return GateResult("explanation_drift", passed, found, limit, reason)
