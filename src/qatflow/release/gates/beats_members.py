"""Gate: several models must pay. An ensemble ships only if it is significantly better than the best single one."""

from collections.abc import Mapping

from qatflow.release.base import Candidate, Context, GateResult


class BeatsMembers:
    """Passes if the ensemble's score is above that of the best single candidate, with p < `alpha` on the same samples.

    The p-value is that of ensemble.json: McNemar's test, for regression Wilcoxon's. Whatever is no ensemble passes.
    """

    settings: Mapping[str, tuple[float, float]] = {"alpha": (0.0, 1.0)}

    def __call__(self, candidate: Candidate, context: Context, settings: Mapping[str, float]) -> GateResult:
        """Judge the candidate; `measured` is the p-value."""
        alpha = settings["alpha"]
        if not candidate.members:
            return GateResult("beats_members", True, None, alpha, "it is a single model")
        singles = [other for other in context.candidates.values() if not other.members]
        best = max(singles, key=lambda single: (single.score, -single.size_bytes, single.variant), default=None)
        if best is None or best.variant not in candidate.ensemble["against"]:
            return GateResult("beats_members", False, None, alpha, "it was not compared with the single candidates")
        gain, p = candidate.score - best.score, float(candidate.ensemble["against"][best.variant]["p"])
        passed = gain > 0 and p < alpha
        judgement = "significantly better" if passed else "not significantly better"
        reason = (
            f"{gain:+.4f} against {best.variant}, the best single model: {judgement} (p = {p:.4f}, alpha {alpha:g})"
        )
        return GateResult("beats_members", passed, p, alpha, reason)
