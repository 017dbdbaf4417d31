"""Where ranges of tensors may be cut, what levels that gives what is usual, and what it does to answers. NumPy only.

A grid of 256 levels reaches from the least to the largest value of a tensor. One broken reading of 1e6 among values of
1 leaves them one level, and no percentile or squared error tells whether rare values are what matters: answers do.
"""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from qatflow.artifacts import Array
from qatflow.quantization.fidelity import divergences

Range = tuple[float, float]
Distance = Callable[[Range], float]

MIDDLE = 99.0
"""Percent of a tensor's values that count as usual."""
CORE = 80.0
"""Percent of the values that no cut touches."""
FEW_LEVELS = 32
"""Usual values with fewer levels are worth a word; 5 bits of 8."""
MOST_SAMPLE = 1.0
"""What one sample counts at most: a broken one, whose answer means nothing, must not outvote the others."""
LEAST_GAIN = 2e-3
"""By so much answers must come closer before a range is cut: 0.002 nats move no prediction."""
LEAST_SHARE = 0.5
"""And to this share of the distance."""
CHANGED = 0.05
"""Share of samples whose class may change by rounding alone; what is beyond it counts besides the divergence, which is
small where a model is sure of nothing."""


def usual(values: Array, percent: float = MIDDLE) -> Range:
    """Return the middle `percent` of the values (n,) that are not 0: zero lies on every grid; (0, 0) if none is."""
    present = values[values != 0]
    if not present.size:
        return 0.0, 0.0
    low, high = np.percentile(present.astype(np.float64), ((100 - percent) / 2, (100 + percent) / 2))
    return float(low), float(high)


def levels_of_usual(values: Array, span: Range, bits: int = 8) -> float:
    """Return over how many of a grid's levels the usual values go; infinity if they are all the same."""
    low, high = (float(np.clip(end, *span)) for end in usual(values))
    width = high - low
    return width * (2**bits - 1) / (span[1] - span[0]) if width > 0 else float("inf")


def halvings(values: Array, span: Range) -> list[Range]:
    """Return ever narrower cuts of a range, each with half the magnitude, that keep the core of the values (n,)."""
    low, high = usual(values, CORE)
    found, reach = [], max(-span[0], span[1]) / 2
    while reach > max(-low, high, 0.0):
        found.append((max(span[0], -reach), min(span[1], reach)))
        reach /= 2
    return found


def closest(present: Range, cuts: Sequence[Range], distance: Distance) -> tuple[Range, float, float]:
    """Return the range to take, with the distance of answers before and after; the present one unless a cut gains."""
    before = distance(present)
    if before <= LEAST_GAIN or not cuts:
        return present, before, before
    after, best = min((distance(cut), index) for index, cut in enumerate(cuts))
    if before - after < LEAST_GAIN or after > LEAST_SHARE * before:
        return present, before, before
    return cuts[best], before, after


def answer_distance(task: str, reference: Array, outputs: Array) -> float:
    """Return how far answers (n, …) are from the float model's, the mean over samples, each between 0 and 1.

    Samples whose reference is not finite are left out; what is not finite otherwise counts as wholly wrong.
    """
    reference, outputs = (values.reshape(len(values), -1) for values in (reference, outputs))
    told = np.asarray(np.isfinite(reference).all(axis=1))
    if not told.any():
        return 0.0
    reference, outputs = reference[told], outputs[told]
    lost = np.asarray(~np.isfinite(outputs).all(axis=1))
    outputs = np.where(lost[:, None], reference, outputs)
    if task != "classification" or reference.shape[1] == 1:
        each, changed = _relative(reference, outputs), 0.0
    else:
        each = divergences(reference, outputs)
        changed = float(np.mean(reference.argmax(axis=1) != outputs.argmax(axis=1)))
    apart = float(np.mean(np.where(lost, MOST_SAMPLE, np.minimum(each, MOST_SAMPLE))))
    return min(apart + max(0.0, changed - CHANGED), MOST_SAMPLE)


def _relative(reference: Array, outputs: Array) -> npt.NDArray[np.float64]:
    """Return e / (e + s), (n,): e the squared error of a sample, s the median squared distance from the median."""
    wide = reference.astype(np.float64)
    spread = float(np.median(np.square(wide - np.median(wide, axis=0)).sum(axis=1)))
    errors = np.square(outputs - wide).sum(axis=1)
    return np.asarray(errors / (errors + (spread or 1.0)))
