"""Gate: the score may fall only so far below that of the float model."""

from collections.abc import Mapping

from qatflow.release.base import Candidate, Context, GateResult


class AccuracyDrop:
    """Passes if `float score - score <= max_drop`; both on the test split, both measured on flatbuffers."""

    settings: Mapping[str, tuple[float, float]] = {"max_drop": (0.0, 1.0)}

    def __call__(self, candidate: Candidate, _context: Context, settings: Mapping[str, float]) -> GateResult:
        """Judge the candidate."""
        limit = settings["max_drop"]
        drop = round(candidate.evaluation.reference.score - candidate.score, 9)  # 0.9 - 0.88 is 0.02, not more
        passed = drop <= limit
        reason = (
            f"the score drops by {drop:.4f} from the float model's, {'at most' if passed else 'more than'} {limit:g}"
        )
        return GateResult("accuracy_drop", passed, drop, limit, reason)
