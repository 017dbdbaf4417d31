"""Gate: training must pay. A QAT model ships only if it beats plain post-training quantization of the same model."""

from collections.abc import Mapping

from qatflow.release.base import Candidate, Context, GateResult

PTQ = "ptq_w8a8"


class BeatsPtq:
    """Passes if the score is more than `min_gain` above that of `ptq_w8a8`, or as good with fewer bytes.

    An untrained strategy passes, and so does every one when `ptq_w8a8` is not among the variants.
    """

    settings: Mapping[str, tuple[float, float]] = {"min_gain": (0.0, 1.0)}

    def __call__(self, candidate: Candidate, context: Context, settings: Mapping[str, float]) -> GateResult:
        """Judge the candidate."""
        limit = settings["min_gain"]
        ptq = context.candidates.get(PTQ)
        if not candidate.trained or ptq is None:
            reason = f"{PTQ} is not among the variants" if candidate.trained else "it is untrained itself"
            return GateResult("beats_ptq", True, None, limit, reason)
        gain = round(candidate.score - ptq.score, 9)
        if gain >= 0 and candidate.size_bytes < ptq.size_bytes:
            saved = ptq.size_bytes - candidate.size_bytes
            return GateResult("beats_ptq", True, gain, limit, f"as good as {PTQ} with {saved} bytes less")
        passed = gain > limit
        reason = f"the gain over {PTQ} of {gain:+.4f} is {'more' if passed else 'not more'} than {limit:g}"
        return GateResult("beats_ptq", passed, gain, limit, reason)
