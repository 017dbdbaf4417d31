"""Gate: several models must pay. An ensemble ships only if it is surely better than the best single one."""

from collections.abc import Mapping

from qatflow.release.base import Candidate, Context, GateResult
from qatflow.release.compared import compared
from qatflow.release.preference import preferred


class BeatsMembers:
    """Passes if the lower bound, at level `alpha`, of the ensemble's gain over the best single candidate is above 0.

    Both on the same test samples; which single one is the best, the validation split says. What is no ensemble passes.
    """

    settings: Mapping[str, tuple[float, float]] = {"alpha": (1e-6, 0.5)}

    def __call__(self, candidate: Candidate, context: Context, settings: Mapping[str, float]) -> GateResult:
        """Judge the candidate; `measured` is the least that it gains."""
        if not candidate.members:
            return GateResult("beats_members", True, None, 0.0, "it is a single model")
        singles = preferred([one for one in context.candidates.values() if not one.members], "quality")
        if not singles:
            return GateResult("beats_members", False, None, 0.0, "there is no single candidate to compare it with")
        against = compared(candidate, singles[0].answers["test"], settings)
        judgement = "surely better than" if against.better else "not shown to be better than"
        reason = f"{judgement} {singles[0].variant}, the best single model: {against.words()}"
        return GateResult("beats_members", against.better, round(against.found.low, 9), 0.0, reason)
