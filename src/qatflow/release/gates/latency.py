"""Gate: the quantized model must not be too slow beside the float one."""

from collections.abc import Mapping

from qatflow.release.base import Candidate, Context, GateResult


class Latency:
    """Passes if the ratio of median latencies, measured interleaved on one machine, is at most `max_ratio`."""

    settings: Mapping[str, tuple[float, float]] = {"max_ratio": (0.0, 1000.0)}

    def __call__(self, candidate: Candidate, _context: Context, settings: Mapping[str, float]) -> GateResult:
        """Judge the candidate."""
        limit = settings["max_ratio"]
        ratio = candidate.timings.latency_ratio
        passed = ratio <= limit
        reason = f"{ratio:.2f} of the float model's median latency is {'at most' if passed else 'more than'} {limit:g}"
        return GateResult("latency", passed, ratio, limit, reason)
