"""Gate: the quantized model must answer as the float model does, right or wrong."""

from collections.abc import Mapping

from qatflow.release.base import Candidate, Context, GateResult


class Agreement:
    """Passes if the share of test samples with the float model's answer is at least `min_agreement`."""

    settings: Mapping[str, tuple[float, float]] = {"min_agreement": (0.0, 1.0)}

    def __call__(self, candidate: Candidate, _context: Context, settings: Mapping[str, float]) -> GateResult:
        """Judge the candidate."""
        limit = settings["min_agreement"]
        agreement = candidate.evaluation.agreement
        passed = agreement >= limit
        reason = f"agreement {agreement:.4f} with the float model is {'at least' if passed else 'below'} {limit:g}"
        return GateResult("agreement", passed, agreement, limit, reason)
