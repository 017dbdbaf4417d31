"""How far the grid of a model's input reaches, chosen by what it does to the float model's answers."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from qatflow.artifacts import Array
from qatflow.backend import keras
from qatflow.models.unroll import takes_ids
from qatflow.quantization.cuts import (
    FEW_LEVELS,
    Range,
    answer_distance,
    closest,
    halvings,
    levels_of_usual,
    usual,
)
from qatflow.quantization.grid import affine

BATCH_SIZE = 64
KEPT = 1 << 18
"""Values of the input, evenly spaced, whose usual range is looked at."""
MATTERS = 0.01
"""Distance of answers from which the rounding of the input is worth a word."""
NAMED = 3
NORMALIZE = (
    "bring inputs to one scale round 0 before the model, in a project by data.normalize: standard, and train it so"
)
REPAIR = "repair or leave out the rare values, or limit them before the model"
TINY = 1e-30


@dataclass(frozen=True)
class Reach:
    """What was found about the ranges of a model.

    Attributes:
        limits: Of the input, where they are narrower than the calibration samples; None where these decide.
        inner: Layer -> range of its output, where that was cut.
        notes: A sentence for each range that was cut, or that leaves usual values few levels.
    """

    limits: Range | None = None
    inner: Mapping[str, Range] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def clip(self, samples: Iterable[Array]) -> Iterable[Array]:
        """Return samples within the limits, as the device's input tensor holds them."""
        return samples if self.limits is None else [np.clip(sample, *self.limits) for sample in samples]


WHOLE = Reach()


def survey(model: keras.Model, x: Array, task: str, bits: int = 8, names: Sequence[str] = ()) -> Reach:
    """Return how far the grid of the input is to reach.

    Args:
        model: The float model.
        x: Calibration samples (n, *shape) float32.
        task: Of the data.
        bits: Of the input's grid.
        names: Of features, for notes; may be empty.
    """
    if takes_ids(model) or not x.size:
        return Reach()
    values = x.ravel()[:: x.size // KEPT + 1 | 1]
    whole = min(float(x.min()), 0.0), max(float(x.max()), TINY)
    reference = answers(model, x)

    def distance(span: Range) -> float:
        return answer_distance(task, reference, answers(model, affine(np.clip(x, *span), *span, bits)))

    cuts = halvings(values, whole)
    span, before, after = closest(whole, cuts, distance)
    notes = [_cut_note(x, span, whole, (before, after))] if span != whole else []
    if levels_of_usual(values, span, bits) < FEW_LEVELS:
        notes.append(f"{few_levels('input', values, span, bits)}; {REPAIR if cuts else NORMALIZE}")
    elif after > MATTERS:
        notes += _feature_notes(x, span, bits, names)
    return Reach(span if span != whole else None, notes=tuple(notes))


def answers(model: keras.Model, x: Array) -> Array:
    """Return a model's outputs (n, …) float32 for inputs (n, *shape) float32."""
    starts = range(0, len(x), BATCH_SIZE)
    parts = [model(np.asarray(x[i : i + BATCH_SIZE], np.float32), training=False) for i in starts]
    return np.concatenate([part.numpy() for part in parts])


def _cut_note(x: Array, span: Range, whole: Range, distances: Range) -> str:
    outside = int(((x < span[0]) | (x > span[1])).sum())
    return (
        f"input: {outside} of {x.size} calibration values lie outside {_said(span)} and are clipped to it (they reach "
        f"{_said(whole)}): with a grid over all of them the answers are {distances[0]:.3f} from the float model's, now "
        f"{distances[1]:.3f} (KL divergence or relative error, at most 1 a sample). Are they broken readings, or a "
        "code for missing ones?"
    )


def few_levels(tensor: str, values: Array, span: Range, bits: int = 8) -> str:
    """Return the sentence on a tensor whose usual values get few levels."""
    levels = levels_of_usual(values, span, bits)
    return (
        f"{tensor}: the middle 99 % of its values, {_said(usual(values))}, get {max(levels, 1):.0f} of {2**bits} "
        f"levels, for its range is {_said(span)}"
    )


def _feature_notes(x: Array, span: Range, bits: int, names: Sequence[str]) -> list[str]:
    """Return a sentence on the features, along the last axis, that are far smaller than the range of all."""
    columns = x.reshape(-1, x.shape[-1])
    levels = {i: levels_of_usual(columns[:, i], span, bits) for i in range(columns.shape[1])}
    few = sorted((i for i, count in levels.items() if count < FEW_LEVELS), key=lambda i: levels[i])
    if not few or columns.shape[1] < 2:
        return []
    shown = [f"{_name(i, names)} ({max(levels[i], 1):.0f})" for i in few[:NAMED]]
    more = f" and {len(few) - NAMED} more" if len(few) > NAMED else ""
    widest = int(np.argmax(np.abs(columns).max(axis=0)))
    sentence = (
        f"input: one scale serves all features, {_said(span)} for {_name(widest, names)}; of its {2**bits} levels the "
        f"middle 99 % of {', '.join(shown)}{more} get few; {NORMALIZE} (a Normalization inside the model comes too "
        "late)"
    )
    return [sentence]


def _name(index: int, names: Sequence[str]) -> str:
    return f"'{names[index]}'" if index < len(names) else f"feature {index}"


def _said(span: Range) -> str:
    return f"{span[0]:.4g} to {span[1]:.4g}"
