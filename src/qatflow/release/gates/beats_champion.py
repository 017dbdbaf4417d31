"""Gate: noise promotes nobody, and small losses do not add up. A challenger must be better, or as good and cheaper."""

from collections.abc import Mapping

from qatflow.release.base import Candidate, Champion, Context, GateResult
from qatflow.release.compared import RANGES, compared, gives_more


class BeatsChampion:
    """Passes if the candidate is surely better than the champion, or surely as good and `min_saving` (a share) cheaper.

    Surely better: on the same test samples the lower bound of the difference, at level `alpha`, is above 0. Surely as
    good: it is not below -`margin` (non-inferiority). Besides, it must be as good as the best of the champion's line,
    so that losses too small to be seen cannot add up from release to release ("biocreep": D'Agostino, Massaro and
    Sullivan, Statistics in Medicine 22:169, 2003). Passes if there is no champion, or one for other inputs or labels.
    """

    settings: Mapping[str, tuple[float, float]] = RANGES

    def __call__(self, candidate: Candidate, context: Context, settings: Mapping[str, float]) -> GateResult:
        """Judge the candidate; `measured` is what it may lose against the champion, or the best of its line."""
        champion, margin = context.champion, settings["margin"]
        if champion is None:
            return _result(True, None, margin, "there is no champion yet")
        if champion.sha256 == candidate.sha256:
            return _result(True, None, margin, f"it is the champion, version {champion.version}")
        if champion.answers is None:
            return _result(True, None, margin, f"champion version {champion.version} is for other inputs or labels")
        theirs, name = champion.answers, f"champion version {champion.version}"
        passed, against, reason = gives_more(candidate, champion, theirs, name, settings, context.objective)
        best = _other_best(context, champion, candidate)
        if not passed or best is None or best.answers is None:
            return _result(passed, against.possible_loss, margin, reason)
        beside = compared(candidate, best.answers, settings)
        line = f"version {best.version}, the best of its line"
        if beside.as_good:
            return _result(True, against.possible_loss, margin, f"{reason}; as good as {line}: {beside.words()}")
        return _result(False, beside.possible_loss, margin, f"not shown to be as good as {line}: {beside.words()}")


def _other_best(context: Context, champion: Champion, candidate: Candidate) -> Champion | None:
    """Return the best of the line where that is neither champion nor candidate."""
    best = context.best
    return None if best is None or best.sha256 in {champion.sha256, candidate.sha256} else best


def _result(passed: bool, measured: float | None, threshold: float, reason: str) -> GateResult:
    return GateResult("beats_champion", passed, measured, threshold, reason)
