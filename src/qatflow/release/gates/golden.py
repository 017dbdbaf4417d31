"""Gate: the bundle must load in a clean process and repeat its golden outputs there."""

from collections.abc import Mapping

from qatflow.release.base import Candidate, Context, GateResult


class Golden:
    """Passes if no golden output differs by more than `max_lsb` steps of the output tensor."""

    settings: Mapping[str, tuple[float, float]] = {"max_lsb": (0.0, 255.0)}

    def __call__(self, candidate: Candidate, context: Context, settings: Mapping[str, float]) -> GateResult:
        """Judge the candidate."""
        limit = settings["max_lsb"]
        check = context.golden[candidate.variant]
        if check.max_lsb is None:
            return GateResult(
                "golden", False, None, limit, f"the bundle does not run in a clean process: {check.error}"
            )
        passed = check.max_lsb <= limit
        reason = f"golden outputs differ by {check.max_lsb:g} LSB, {'at most' if passed else 'more than'} {limit:g}"
        return GateResult("golden", passed, check.max_lsb, limit, reason)
