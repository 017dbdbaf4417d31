"""Regression: one real value or several for each sample."""

from collections.abc import Sequence
from typing import Any

from qatflow.artifacts import Array
from qatflow.errors import DataError
from qatflow.evaluation.tasks.base import Flags, flat, within_tolerance


class Regression:
    """Values are the targets in their own units, (n, d). Right, and the same, is what lies within `TOLERANCE`."""

    score = "r2"
    is_share = False

    def values(self, x: Array, outputs: Array) -> Array:  # noqa: ARG002 (of the protocol)
        """Return the values (n, d)."""
        return flat(outputs)

    def measure(self, y: Array, values: Array, names: Sequence[str]) -> dict[str, Any]:  # noqa: ARG002
        """Return MAE and RMSE in the targets' unit, and R², each the mean over the targets; both arrays (n, d).

        Raises:
            DataError: If there are fewer than two samples.
        """
        from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

        if len(y) < 2:
            raise DataError(f"The test split has {len(y)} sample; R² needs at least two")
        return {
            "mae": float(mean_absolute_error(y, values)),
            "rmse": float(root_mean_squared_error(y, values)),
            "r2": float(r2_score(y, values)),
        }

    def correct(self, y: Array, values: Array) -> Flags:
        """Return which rows lie within the tolerance, (n,)."""
        return within_tolerance(y, values)

    def agree(self, reference: Array, values: Array) -> Flags:
        """Return which rows lie within the tolerance of the reference's range, (n,)."""
        return within_tolerance(reference, values)
