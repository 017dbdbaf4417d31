"""Gate: no class may pay for the others. Where one class dominates, the score alone hides what a rare one loses."""

from collections.abc import Mapping

from qatflow.evaluation.answers import worst_class
from qatflow.release.base import Candidate, Context, GateResult


class ClassDrop:
    """Passes if no class's recall is surely more than `max_drop` below that of the float model.

    Surely: the lower bound of the loss, at level `alpha`, on the class's own test samples. No correction for the number
    of classes: that would protect each the less, the more there are. What is no classification passes.
    """

    settings: Mapping[str, tuple[float, float]] = {"max_drop": (0.0, 1.0), "alpha": (1e-6, 0.5)}

    def __call__(self, candidate: Candidate, _context: Context, settings: Mapping[str, float]) -> GateResult:
        """Judge the candidate; `measured` is the least that the worst class loses."""
        limit = settings["max_drop"]
        worst = worst_class(candidate.answers["test_float"], candidate.answers["test"], settings["alpha"])
        if worst is None:
            return GateResult("class_drop", True, None, limit, "there are no classes to lose")
        least, passed = round(worst.least, 9), worst.least <= limit
        names = list(candidate.evaluation.metrics.per_class)
        name = names[worst.label] if worst.label < len(names) else str(worst.label)
        judgement = f"{'not surely' if passed else 'surely'} more than {limit:g}"
        return GateResult("class_drop", passed, least, limit, f"{worst.told(name)}, {judgement}")
