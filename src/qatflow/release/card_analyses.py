"""The figures of a model card: the score with its interval, every class, the weakest of them, what compression did."""

from collections.abc import Mapping, Sequence

from qatflow.evaluation.result import ClassFigures, Compression
from qatflow.evaluation.significance import wilson_interval
from qatflow.release.base import Candidate
from qatflow.release.card_text import code, plain, table

MOST_CLASSES = 100
"""Of more classes the card lists those with the lowest recall."""
WEAKEST = 3
CONFUSIONS = 3


def by_class(candidate: Candidate) -> list[str]:
    """Return the table of classes, with Wilson's 95 % interval of each recall; empty without classes."""
    classes = candidate.evaluation.metrics.per_class
    if not classes:
        return []
    before = _float_classes(candidate)
    shown = list(classes) if len(classes) <= MOST_CLASSES else _weakest_first(classes)[:MOST_CLASSES]
    left_out = [f"The {MOST_CLASSES} of {len(classes)} classes with the lowest recall."] * (len(classes) > len(shown))
    head = ["class", "precision", "recall", "recall, 95 % interval", "recall of float", "F1", "samples"]
    return [*left_out, *table(head, [_row(name, classes[name], before.get(name)) for name in shown])]


def weaknesses(candidate: Candidate) -> list[str]:
    """Return a line for each of the weakest classes and for the most frequent confusions."""
    classes = candidate.evaluation.metrics.per_class
    found = [name for name in _weakest_first(classes) if classes[name].recall < 1][:WEAKEST]
    lines = [f"- weak on {plain(name)}: finds {_share(classes[name])}" for name in found]
    return lines + _confusions(candidate, list(classes)) + _losses(classes, _float_classes(candidate))


def against_float(candidate: Candidate) -> list[str]:
    """Return how the model stands beside the float one; an ensemble of bundles has none."""
    evaluation = candidate.evaluation
    if evaluation.float_model is None:
        return []
    lines = [
        f"- answers as the float model does on {evaluation.agreement:.2%} of the test samples",
        f"- {candidate.size_bytes / evaluation.float_model.size_bytes:.1%} of the float model's bytes",
    ]
    if evaluation.mcnemar_float_p is not None:
        lines.append(f"- McNemar's test against the float model: p = {evaluation.mcnemar_float_p:.4f}")
    return lines


def against_members(candidate: Candidate) -> list[str]:
    """Return what an ensemble gains on its best member."""
    figures = candidate.ensemble
    if not figures:
        return []
    best = figures["best"]
    gain, p = (figures["against"][best][name] for name in ("gain", "p"))
    return [
        f"- {gain:+.4f} against {code(best)}, the best single model (p = {p:.4f})",
        f"- {figures['size_ratio']:.1f} times the bytes of {code(best)}",
        f"- the members differ on {figures['disagreement']:.2%} of the test samples, pair by pair",
    ]


def sizes(candidate: Candidate) -> list[str]:
    """Return bytes raw and compressed, the widths of the weights, and zeros and distinct values where measured."""
    evaluation = candidate.evaluation
    packed = f"{evaluation.size_deflate_bytes} by deflate, {evaluation.size_zstd_bytes} by zstd"
    lines = [f"- size: {candidate.size_bytes} bytes, {packed}"]
    widths = evaluation.inventory.weight_bytes
    if widths:
        listed = (f"{count} bytes of {dtype}" for dtype, count in sorted(widths.items()))
        lines.append(f"- constants: {', '.join(listed)}")
    return lines + _compression(evaluation.compression)


def _compression(found: Compression | None) -> list[str]:
    if found is None or not found.layers:
        return []
    rows = [
        [plain(part.name), f"{part.weights}", f"{part.zeros / part.weights:.1%}", str(part.distinct)]
        for part in found.layers
    ]
    sparsity = f"- sparsity: {found.sparsity:.1%} of the weights are 0"
    return [sparsity, *table(["layer", "weights", "zeros", "distinct values"], rows)]


def _row(name: str, measured: ClassFigures, before: ClassFigures | None) -> list[str]:
    low, high = _recall_interval(measured)
    span = "" if low is None else f"{low:.3f} to {high:.3f}"
    beside = "" if before is None else f"{before.recall:.4f}"
    figures = [f"{figure:.4f}" for figure in (measured.precision, measured.recall)]
    return [plain(name), *figures, span, beside, f"{measured.f1:.4f}", str(measured.support)]


def _recall_interval(measured: ClassFigures) -> tuple[float, float] | tuple[None, None]:
    support = measured.support
    return wilson_interval(round(measured.recall * support), support) if support else (None, None)


def _share(measured: ClassFigures) -> str:
    low, high = _recall_interval(measured)
    return f"{measured.recall:.1%} of {measured.support} samples (95 % interval {low:.1%} to {high:.1%})"


def _weakest_first(classes: Mapping[str, ClassFigures]) -> list[str]:
    """A class without a test sample has no recall."""
    return sorted((name for name in classes if classes[name].support), key=lambda name: classes[name].recall)


def _float_classes(candidate: Candidate) -> Mapping[str, ClassFigures]:
    reference = candidate.evaluation.float_model
    return {} if reference is None else reference.metrics.per_class


def _losses(classes: Mapping[str, ClassFigures], before: Mapping[str, ClassFigures]) -> list[str]:
    lost = {name: before[name].recall - classes[name].recall for name in classes if name in before}
    worst = max(lost, key=lambda name: lost[name], default=None)
    if worst is None or lost[worst] <= 0:
        return []
    return [f"- quantization costs most on {plain(worst)}: recall falls by {100 * lost[worst]:.1f} points"]


def _confusions(candidate: Candidate, names: Sequence[str]) -> list[str]:
    matrix = candidate.evaluation.metrics.confusion_matrix
    errors = [
        (count, names[i], names[j])
        for i, row in enumerate(matrix)
        for j, count in enumerate(row)
        if i != j and count > 1
    ]
    most = sorted(errors, key=lambda error: -error[0])[:CONFUSIONS]
    return [f"- takes {plain(actual)} for {plain(taken)}: {count} times" for count, actual, taken in most]
