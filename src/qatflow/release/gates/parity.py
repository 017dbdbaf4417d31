"""Gate: the flatbuffer must compute what was trained."""

from collections.abc import Mapping

from qatflow.release.base import Candidate, Context, GateResult


class Parity:
    """Passes if the share of test samples with the fake-quant model's answer is at least `min_agreement`.

    A strategy without fake-quants passes: its flatbuffer is the only quantized model there is.
    """

    settings: Mapping[str, tuple[float, float]] = {"min_agreement": (0.0, 1.0)}

    def __call__(self, candidate: Candidate, _context: Context, settings: Mapping[str, float]) -> GateResult:
        """Judge the candidate."""
        limit = settings["min_agreement"]
        agreement = candidate.evaluation.agreement_fake_quant
        if agreement is None:
            return GateResult("parity", True, None, limit, "there is no fake-quant model to agree with")
        passed = agreement >= limit
        reason = f"agreement {agreement:.4f} with the fake-quant model is {'at least' if passed else 'below'} {limit:g}"
        return GateResult("parity", passed, agreement, limit, reason)
