"""How well outputs of a quantized model keep what they should say, as pure functions of arrays."""

import numpy as np
import numpy.typing as npt

from qatflow.artifacts import Array
from qatflow.evaluation.calibration import HALF_STEP, probabilities
from qatflow.evaluation.metrics import judged, measure, score_of


def distributions(outputs: Array) -> npt.NDArray[np.float64]:
    """Return outputs (n, k) as class distributions without zeros, rows of sum 1.

    Probabilities are raised to `HALF_STEP` at least; anything else is taken as logits.
    """
    values = np.maximum(probabilities(outputs.reshape(len(outputs), -1)), HALF_STEP)
    return np.asarray(values / values.sum(axis=1, keepdims=True))


def kl_divergence(reference: Array, outputs: Array) -> float:
    """Return the mean of Σ p ln(p / q) over samples, in nats; p are the reference's `distributions`, q the outputs'.

    Kullback and Leibler, Ann. Math. Statist. 22:79, 1951. Both arrays (n, k); 0 if they are equal.
    """
    return float(np.mean(divergences(reference, outputs)))


def divergences(reference: Array, outputs: Array) -> npt.NDArray[np.float64]:
    """Return the KL divergence of each sample, (n,); see `kl_divergence`."""
    p, q = distributions(reference), distributions(outputs)
    return np.asarray(np.sum(p * np.log(p / q), axis=1))


def noise_ratio(reference: Array, outputs: Array) -> float:
    """Return Σ (outputs - reference)² / Σ reference²: the inverse of the SQNR, not in dB; arrays of one shape.

    Divided by 1 where the reference is zero throughout.
    """
    signal = float(np.sum(np.square(reference, dtype=np.float64)))
    noise = float(np.sum(np.square(outputs.astype(np.float64) - reference)))
    return noise / (signal or 1.0)


def reconstruction_r2(errors: Array, variance: float) -> float:
    """Return the share of the inputs' variance that an autoencoder's outputs explain; 1 is perfect, below 0 useless.

    Args:
        errors: Mean squared reconstruction errors (n,), as `metrics.judged` gives them.
        variance: Of the inputs over the samples, the mean over their values; errors count as they are if it is 0.
    """
    return 1.0 - float(np.mean(errors, dtype=np.float64)) / (variance or 1.0)


def task_score(task: str, x: Array, y: Array, outputs: Array) -> float:
    """Return the task's figure of merit, higher is better: accuracy, R², or for anomaly detection `reconstruction_r2`.

    Training and validation data of anomaly detection hold normal samples only, for which no AUC exists.
    """
    values = judged(task, x, outputs)
    if task == "anomaly":
        return reconstruction_r2(values, float(np.mean(np.var(x, axis=0, dtype=np.float64))))
    names = [str(number) for number in range(values.shape[1])]
    return score_of(task, measure(task, y, values, names))
