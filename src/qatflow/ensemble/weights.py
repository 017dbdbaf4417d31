"""Weights of an ensemble's members, fitted on validation data."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from qatflow.artifacts import Array
from qatflow.ensemble.loss import likelihoods

Weights = npt.NDArray[np.float64]
DECIMALS = 4
"""Finer weights would be noise of the solver."""
Objective = Callable[[Weights], tuple[float, Weights]]


def equal_weights(members: int) -> Weights:
    """Return `members` weights of sum 1, all the same."""
    return np.full(members, 1 / members)


def fit_weights(task: str, truth: Array, outputs: Array) -> Weights:
    """Return the weights of lowest loss that are not negative and have the sum 1.

    The loss of the weighted mean is convex in the weights: the log loss as -log of something linear, the squared error
    as a square of it. Non-negative weights of sum 1 do not overfit as free ones do (Breiman, "Stacked Regressions",
    Machine Learning 24:49, 1996). Found by sequential quadratic programming (Kraft, 1988).

    Args:
        task: See `loss.loss`.
        truth: See `loss.loss`.
        outputs: Of the m members, (m, n, k) float32.
    """
    start = equal_weights(len(outputs))
    objective = _log_loss(truth, outputs) if task == "classification" else _squared_error(truth, outputs)
    found = minimize(
        objective,
        start,
        jac=True,
        method="SLSQP",
        bounds=[(0.0, 1.0)] * len(outputs),
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1.0, "jac": np.ones_like},
        options={"ftol": 1e-9, "maxiter": 200},
    ).x
    return _rounded(found) if np.isfinite(found).all() and objective(found)[0] <= objective(start)[0] else start


def _log_loss(truth: Array, outputs: Array) -> Objective:
    given = likelihoods(truth, outputs)

    def objective(weights: Weights) -> tuple[float, Weights]:
        mixed = weights @ given
        return float(-np.mean(np.log(mixed))), -np.mean(given / mixed, axis=1)

    return objective


def _squared_error(truth: Array, outputs: Array) -> Objective:
    """Return the squared error from the members' products alone; divided by its mean, so that units do not matter."""
    errors = (outputs.astype(np.float64) - truth).reshape(len(outputs), -1)
    products = errors @ errors.T  # with weights of sum 1, the error of the mean is the mean of the errors
    products /= np.trace(products) or 1.0

    def objective(weights: Weights) -> tuple[float, Weights]:
        return float(weights @ products @ weights), 2 * products @ weights

    return objective


def _rounded(weights: Weights) -> Weights:
    """Round, and let the largest weight take up what is missing from 1."""
    rounded = np.round(np.maximum(weights, 0.0), DECIMALS)
    rounded[rounded.argmax()] += 1.0 - rounded.sum()
    return np.asarray(np.round(rounded, DECIMALS))
