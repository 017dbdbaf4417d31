"""What a reader should watch, in plain words: each check is pure and gives a sentence, or nothing."""

from collections.abc import Callable, Iterator, Mapping

from qatflow.evaluation.result import Metrics
from qatflow.report import summary, wording
from qatflow.report.course import alarms, forgotten
from qatflow.report.read import Run, Variant

RECALL_LOSS = 0.05
WEAK_RECALL = 0.8
WIDE_INTERVAL = 0.02
HIGH_ECE = 0.05
LOW_AGREEMENT = 0.97
FEW_OF_CLASS = 20
"""Recall of a class with fewer test samples says little."""
IMBALANCE = 10

Check = Callable[[Run, Variant], Iterator[str]]


def worries(run: Run) -> list[str]:
    """Return a sentence for each thing that stands out in what ships, or in the best candidate, and in the data.

    Alarms come first, of a course and of all variants.
    """
    learned = [*alarms(run.course), *forgotten(run.course)] if run.course else []
    return [*learned, *_alarms(run), *_of_what_ships(run)]


def _alarms(run: Run) -> Iterator[str]:
    for variant in run.variants:
        if variant.alarm:
            yield f"Alarm, {variant.name}: {variant.alarm}."


def _of_what_ships(run: Run) -> list[str]:
    variant = summary.focus(run)
    if summary.remembered(run) is not None:
        return ["What ships was measured by an earlier run; the candidates of this one did not replace it."]
    checks = CHECKS if run.task == "classification" else OF_ANY_TASK
    return [sentence for check in checks for sentence in check(run, variant)]


def _is_worse(run: Run, variant: Variant) -> Iterator[str]:
    lost, p = run.float_model.score - variant.evaluation.score, variant.evaluation.mcnemar_float_p
    if lost > 0 and p is not None and p < summary.ALPHA:
        yield f"It is really worse than the float model: {wording.percent(lost)} of the samples, {wording.chance(p)}."


def _loses_a_class(run: Run, variant: Variant) -> Iterator[str]:
    before, after = (_recalls(model.metrics) for model in (run.float_model, variant.evaluation))
    worst = min(after, key=lambda name: after[name] - before.get(name, 0.0), default=None)
    if worst is not None and before.get(worst, 0.0) - after[worst] >= RECALL_LOSS:
        found, formerly = wording.percent(after[worst]), wording.percent(before[worst])
        yield f"It finds {worst} less often than the float model does: {found} of them instead of {formerly}."


def _has_a_weak_class(_: Run, variant: Variant) -> Iterator[str]:
    recalls = _recalls(variant.evaluation.metrics)
    weakest = min(recalls, key=lambda name: recalls[name], default=None)
    if weakest is not None and recalls[weakest] < WEAK_RECALL:
        yield f"Its weakest class is {weakest}: it finds {wording.percent(recalls[weakest])} of them."


def _is_measured_roughly(_: Run, variant: Variant) -> Iterator[str]:
    low, high = variant.evaluation.score_interval or (0.0, 0.0)
    if (high - low) / 2 > WIDE_INTERVAL:
        samples, within = variant.evaluation.samples, wording.percent((high - low) / 2)
        yield f"The test split is small ({samples:,} samples): accuracy is known to {within} only."


def _disagrees(_: Run, variant: Variant) -> Iterator[str]:
    share = variant.evaluation.agreement
    if share < LOW_AGREEMENT:
        yield f"It answers otherwise than the float model on {wording.percent(1 - share)} of the samples."


def _is_miscalibrated(_: Run, variant: Variant) -> Iterator[str]:
    ece = variant.evaluation.metrics.ece
    if ece is not None and ece > HIGH_ECE:
        yield f"Its confidence is off by {wording.percent(ece)} on average: do not read it as a probability."


def _is_slower(_: Run, variant: Variant) -> Iterator[str]:
    compared = wording.faster(variant.timings.latency_ratio)
    if compared.endswith("slower"):
        yield f"It is {compared} than float on the machine of this run; measure it on the device."


def _is_ambiguous(run: Run, _: Variant) -> Iterator[str]:
    count = run.card.duplicates.conflicting_labels
    if count:
        yield f"The data hold {count:,} samples twice with different labels: somebody was wrong."


def _is_unbalanced(run: Run, _: Variant) -> Iterator[str]:
    counts: Mapping[str, int] = run.card.class_counts.get("train", {})
    most, least = (max(counts, key=lambda n: counts[n]), min(counts, key=lambda n: counts[n])) if counts else ("", "")
    if counts and counts[most] > IMBALANCE * max(counts[least], 1):
        yield f"Few {least}: {counts[least]:,} training samples, against {counts[most]:,} of {most}."


def _was_noted(_: Run, variant: Variant) -> Iterator[str]:
    yield from (f"{note[:1].upper()}{note[1:]}{'' if note.endswith(('.', '?')) else '.'}" for note in variant.notes)


def _recalls(metrics: Metrics) -> dict[str, float]:
    return {name: found.recall for name, found in metrics.per_class.items() if found.support >= FEW_OF_CLASS}


OF_ANY_TASK: tuple[Check, ...] = (_disagrees, _was_noted, _is_slower, _is_ambiguous, _is_unbalanced)
CHECKS: tuple[Check, ...] = (
    _is_worse,
    _loses_a_class,
    _has_a_weak_class,
    _is_measured_roughly,
    _is_miscalibrated,
    *OF_ANY_TASK,
)
