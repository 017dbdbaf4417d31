"""Gate: the flatbuffer must be small beside the float one."""

from collections.abc import Mapping

from qatflow.release.base import Candidate, Context, GateResult


class Size:
    """Passes if `size_bytes / float size_bytes <= max_ratio`; uncompressed flatbuffers."""

    settings: Mapping[str, tuple[float, float]] = {"max_ratio": (0.0, 100.0)}

    def __call__(self, candidate: Candidate, _context: Context, settings: Mapping[str, float]) -> GateResult:
        """Judge the candidate."""
        limit = settings["max_ratio"]
        ratio = candidate.size_bytes / candidate.evaluation.reference.size_bytes
        passed = ratio <= limit
        reason = f"{ratio:.3f} of the float model's bytes is {'at most' if passed else 'more than'} {limit:g}"
        return GateResult("size", passed, ratio, limit, reason)
