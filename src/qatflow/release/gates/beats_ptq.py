"""Gate: training must pay. A QAT model ships only if it gives more than plain post-training quantization does."""

from collections.abc import Mapping

from qatflow.release.base import Candidate, Context, GateResult
from qatflow.release.compared import RANGES, gives_more

PTQ = "ptq_w8a8"


class BeatsPtq:
    """Passes if a trained candidate is surely better than `ptq_w8a8`, or surely as good and `min_saving` cheaper.

    Surely: see `BeatsChampion`. Where `ptq_w8a8` is none of the candidates, or keeps its own bounds no more, it is the
    smallest untrained one that does; where none does, only training gives a model that can ship. An untrained strategy
    passes. With none among the candidates nobody knows whether training pays, and trained ones are refused.
    """

    settings: Mapping[str, tuple[float, float]] = RANGES

    def __call__(self, candidate: Candidate, context: Context, settings: Mapping[str, float]) -> GateResult:
        """Judge the candidate; `measured` is what it may lose against the untrained one."""
        margin = settings["margin"]
        if not candidate.trained:
            return GateResult("beats_ptq", True, None, margin, "it is untrained itself")
        untrained = [other for other in context.candidates.values() if not other.trained and not other.members]
        if not untrained:
            reason = f"no untrained variant to compare with: add {PTQ} to quantize.variants, or set this gate to null"
            return GateResult("beats_ptq", False, None, margin, reason)
        sound = [other for other in untrained if other.variant in context.sound]
        if not sound:
            return GateResult("beats_ptq", True, None, margin, "no untrained variant keeps its own bounds")
        ptq = min(sound, key=lambda other: (other.variant != PTQ, other.size_bytes, other.variant))
        theirs, objective = ptq.answers["test"], context.objective
        passed, against, reason = gives_more(candidate, ptq, theirs, ptq.variant, settings, objective)
        return GateResult("beats_ptq", passed, against.possible_loss, margin, reason)
