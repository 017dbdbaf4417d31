"""Whether a classifier is as sure as it is right."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qatflow.artifacts import Array

BINS = 15
"""As in Guo et al."""
HALF_STEP = 1 / 512
"""Half a step of the int8 softmax tensor, whose scale is 1/256: the probability that a stored 0 stands for."""
SUM_TOLERANCE = 0.1
"""By how much int8 probabilities may miss a sum of 1; further off, outputs are taken as logits."""


@dataclass(frozen=True)
class Bin:
    """Predictions with a confidence in (low, high]; `confidence` and `accuracy` are means, None where it is empty."""

    low: float
    high: float
    count: int
    confidence: float | None
    accuracy: float | None


def are_probabilities(outputs: Array) -> bool:
    """Tell whether outputs (n, k) are class probabilities, as int8 can say them, and no logits."""
    sums = outputs.sum(axis=1, dtype=np.float64)
    return bool(outputs.min() >= 0 and np.abs(sums - 1).max() <= SUM_TOLERANCE)


def probabilities(outputs: Array) -> npt.NDArray[np.float64]:
    """Return outputs (n, k) as they are if they are probabilities, else the softmax of them."""
    values = outputs.astype(np.float64)
    if are_probabilities(values):
        return values
    values = np.exp(values - values.max(axis=1, keepdims=True))
    return np.asarray(values / values.sum(axis=1, keepdims=True))


def reliability(y: Array, outputs: Array, bins: int = BINS) -> list[Bin]:
    """Return the reliability diagram: bins of equal width over the confidence, the likeliest class's probability.

    Args:
        y: Class ids, (n,) int64.
        outputs: See `probabilities`, (n, k) float32.
        bins: How many.
    """
    confidence = probabilities(outputs).max(axis=1)
    right = outputs.argmax(axis=1) == y
    places = np.clip(np.ceil(confidence * bins) - 1, 0, bins - 1).astype(int)
    return [_bin(number / bins, (number + 1) / bins, confidence[places == number], right[places == number])
            for number in range(bins)]  # fmt: skip


def expected_calibration_error(y: Array, outputs: Array, bins: int = BINS) -> float:
    """Return Σ (nᵦ / n) |accuracy - confidence| over the bins of `reliability`; 0 is perfect.

    Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, equation 3.
    """
    gaps = [
        found.count * abs(found.accuracy - found.confidence)
        for found in reliability(y, outputs, bins)
        if found.accuracy is not None and found.confidence is not None
    ]
    return float(sum(gaps) / len(y))


def _bin(low: float, high: float, confidence: Array, right: Array) -> Bin:
    count = len(confidence)
    means = (float(confidence.mean()), float(right.mean())) if count else (None, None)
    return Bin(low, high, count, *means)
