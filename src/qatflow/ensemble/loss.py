"""What members are chosen and weighed by: how far predictions are from the truth, lower is better."""

import numpy as np
import numpy.typing as npt

from qatflow.artifacts import Array
from qatflow.evaluation.calibration import HALF_STEP


def loss(task: str, truth: Array, outputs: Array) -> float:
    """Return the log loss in nats for classification, else the mean squared error.

    Unlike accuracy it tells models apart on few samples, and it rewards good probabilities.

    Args:
        task: `classification`, `regression` or `anomaly`.
        truth: Class ids (n,) int64, targets (n, k), or the inputs (n, k) that an autoencoder repeats.
        outputs: (n, k) float32; probabilities for classification.
    """
    if task == "classification":
        return float(-np.mean(np.log(likelihoods(truth, outputs))))
    return float(np.mean(np.square(outputs.astype(np.float64) - truth)))


def likelihoods(truth: Array, outputs: Array) -> npt.NDArray[np.float64]:
    """Return the probabilities (…, n) that outputs (…, n, k) give to the true classes (n,), at least `HALF_STEP`."""
    given = outputs[..., np.arange(len(truth)), truth].astype(np.float64)
    return np.asarray(np.maximum(given, HALF_STEP))
