"""Which candidate is best, and which need not be made. Pure."""

import math
from collections.abc import Iterable, Sequence

from qatflow.search.options import Goal
from qatflow.search.trial import Trial

WORTHWHILE = 0.05
"""Share of the bytes that a further candidate must be able to save; below it no training is started."""
ROUNDING = 1e-9


def qualifies(trial: Trial, goal: Goal, float_score: float) -> bool:
    """Tell whether a measured candidate fits the size budget and loses no more than allowed, in its worst class too."""
    kept = trial.val_score is not None and float_score - trial.val_score <= goal.max_drop + ROUNDING
    return kept and trial.class_loss <= goal.max_drop + ROUNDING and fits(trial, goal)


def fits(trial: Trial, goal: Goal) -> bool:
    """Tell whether a candidate was measured and fits the size budget."""
    return trial.size_bytes is not None and (goal.size_budget is None or bytes_of(trial, goal) <= goal.size_budget)


def bytes_of(trial: Trial, goal: Goal) -> int:
    """Return the bytes of a measured candidate that count."""
    return (trial.zstd_bytes if goal.compressed else trial.size_bytes) or 0


def best(trials: Iterable[Trial], goal: Goal, float_score: float) -> Trial | None:
    """Return the qualifying candidate with the fewest bytes; ties go by score, then latency.

    If none qualifies: of those that fit the size budget the one that loses least, in score and in its worst class;
    None if none fits.
    """

    def rank(trial: Trial) -> tuple[bool, float, float, float]:
        size, score = float(bytes_of(trial, goal)), -(trial.val_score or 0.0)
        latency = math.inf if trial.latency_us is None else trial.latency_us
        if qualifies(trial, goal, float_score):
            return False, size, score, latency
        return True, max(float_score + score, trial.class_loss), size, latency

    return min((trial for trial in trials if fits(trial, goal)), key=rank, default=None)


def reason_to_skip(bound: int, trials: Sequence[Trial], goal: Goal, float_score: float) -> str:
    """Return why even a perfect result of `bound` bytes could not win; empty if it could."""
    if goal.size_budget is not None and bound > goal.size_budget:
        return f"needs at least {bound} bytes, more than the size budget of {goal.size_budget}"
    leader = best(trials, goal, float_score)
    if leader is None or not qualifies(leader, goal, float_score):
        return ""
    size = bytes_of(leader, goal)
    if bound > (1 - WORTHWHILE) * size:
        return f"cannot be clearly smaller than {leader.strategy} ({size} bytes), which loses little enough"
    return ""


def reason_not_to_train(trials: Iterable[Trial]) -> str:
    """Return why training would be in vain: a flatbuffer does not compute what its fake-quant model does; or empty."""
    for trial in trials:
        if trial.alarm is not None and trial.alarm.of_conversion:
            return f"{trial.strategy} does not become what it was: {trial.alarm}. Training mends no conversion"
    return ""


def why_chosen(chosen: Trial, trials: Sequence[Trial], goal: Goal, float_score: float, metric: str) -> str:
    """Return one sentence: what decided for `chosen`."""
    size = f"{bytes_of(chosen, goal)} bytes{' compressed' if goal.compressed else ''}"
    figures = f"{metric} {chosen.val_score:.4f} on the validation split, {float_score:.4f} for the float model"
    of = f"{metric}, and of the recall of any class" if any(trial.lost for trial in trials) else metric
    if qualifies(chosen, goal, float_score):
        count = sum(qualifies(trial, goal, float_score) for trial in trials)
        among = f"the smallest of {count} candidates that lose" if count > 1 else "the only candidate that loses"
        return f"{among} at most {goal.max_drop:g} of {of}: {size}, {figures}"
    within = "" if goal.size_budget is None else f" within {goal.size_budget} bytes"
    return f"no candidate{within} loses at most {goal.max_drop:g} of {of}; this one loses least: {size}, {figures}"
