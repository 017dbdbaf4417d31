"""The first screen in plain words: what ships, whether it is good, how much smaller and faster it is."""

from qatflow.report import summary, wording
from qatflow.report.read import Run, Variant


def answers(run: Run) -> list[tuple[str, str]]:
    """Return questions with their answers, each in a sentence or two, about what ships or the best candidate."""
    earlier, variant = summary.remembered(run), summary.focus(run)
    if earlier is not None:
        return [("What ships", f"{earlier.variant} of an earlier run, version {earlier.version}.")]
    return [
        ("What ships", _shipped(run, variant)),
        ("Is it good", f"{_score(run, variant)} {compared_with_float(run, variant)}"),
        ("Is it smaller and faster", _saved(run, variant)),
    ]


def compared_with_float(run: Run, variant: Variant) -> str:
    """Say where a variant's score stands against the float model's, and whether chance explains that."""
    evaluation, score = variant.evaluation, wording.SCORES[run.task]
    difference = evaluation.score - run.float_model.score
    against = score.against_float(difference)
    beside = f"That is {against} ({score.value(run.float_model.score)})"
    p = evaluation.mcnemar_float_p
    if p is None or run.task != "classification" or against.startswith("the same"):
        return f"{beside}."
    chance = "which may be chance" if summary.is_chance(run, variant) else "more than chance explains"
    return f"{beside}, {chance} ({wording.chance(p)})."


def _shipped(run: Run, variant: Variant) -> str:
    size, champion = wording.size(variant.evaluation.size_bytes), run.receipt.champion
    if champion is None:
        return f"Nothing. The best candidate is {variant.name}, {size}; the gates below say what it lacks."
    travels = f"{wording.size(variant.evaluation.size_zstd_bytes)} compressed by zstd"
    whole = f"; its bundle has {wording.size(run.shipped_bytes)}" if run.shipped_bytes else ""
    return f"{variant.name}, a TFLite file of {size} ({travels}{whole}), as version {champion.version}."


def _score(run: Run, variant: Variant) -> str:
    evaluation, score = variant.evaluation, wording.SCORES[run.task]
    value, samples = score.value(evaluation.score), evaluation.samples
    if run.task != "classification" or evaluation.score_interval is None:
        return f"{score.name} {value} on {samples:,} samples {_unseen(run)}."
    low, high = (score.value(bound) for bound in evaluation.score_interval)
    return f"It is right on {value} of {samples:,} samples {_unseen(run)} (95 % interval {low} to {high})."


def _unseen(run: Run) -> str:
    return "held back here; what it was trained on before is not known" if run.is_foreign else "that no training saw"


def _saved(run: Run, variant: Variant) -> str:
    evaluation, timings, reference = variant.evaluation, variant.timings, run.float_model
    smaller = wording.than_float(wording.smaller(evaluation.size_bytes / reference.size_bytes))
    faster = wording.than_float(wording.faster(timings.latency_ratio))
    sizes = f"{wording.size(evaluation.size_bytes)} instead of {wording.size(reference.size_bytes)}"
    own, other = wording.latency(summary.latency(run, variant).p50), wording.latency(summary.float_latency(run).p50)
    return f"It is {smaller} ({sizes}) and {faster} ({own} instead of {other} a sample, on the machine of this run)."
