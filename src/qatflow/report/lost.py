"""Finds what quantization lost: samples that the float model gets right and the quantized one does not."""

from dataclasses import dataclass

import numpy as np

from qatflow.artifacts import Array
from qatflow.data.prepared import Split
from qatflow.evaluation.metrics import judged
from qatflow.tflite.runtime import Runner

MOST = 512
"""The float model sees at most so many of the samples that the other gets wrong."""


@dataclass(frozen=True, eq=False)
class Lost:
    """One lost sample.

    Attributes:
        position: In the split.
        truth: Class id, which the float model gives too.
        taken: Class id that the quantized model gives.
        sure: Its score for that class.
        x: The model input, (*shape) float32.
    """

    position: int
    truth: int
    taken: int
    sure: float
    x: Array


@dataclass(frozen=True)
class Losses:
    """What was found: lost samples, the surest errors first, of so many wrong ones that were looked at."""

    samples: tuple[Lost, ...]
    wrong: int
    looked_at: int


def find_lost(split: Split, outputs: Array, float_model: bytes) -> Losses:
    """Run the float model on the samples that the quantized one gets wrong.

    Args:
        split: Of classification data.
        outputs: The scores that the quantized flatbuffer gives the split, (n, k) float32.
        float_model: The float flatbuffer.

    Raises:
        ConversionError: If the float flatbuffer does not run.
        DataError: If the split does not fit its input.
    """
    labels = split.labels()
    taken = outputs.argmax(axis=1)
    wrong = np.flatnonzero(taken != labels)
    seen = wrong[:MOST]
    if not len(seen):
        return Losses((), 0, 0)
    x, y = split.take(seen)
    scores = judged("classification", x, Runner(float_model).predict(x))
    rows = np.flatnonzero(scores.argmax(axis=1) == y)
    found = [
        Lost(int(seen[row]), int(y[row]), int(taken[seen[row]]), float(outputs[seen[row]].max()), x[row])
        for row in rows.tolist()
    ]
    return Losses(tuple(sorted(found, key=lambda lost: (-lost.sure, lost.position))), len(wrong), len(seen))
