"""Scores flatbuffers on one split of the data."""

from functools import cached_property
from typing import Any

import numpy as np

from qatflow.artifacts import Array
from qatflow.data.prepared import PreparedData, Split
from qatflow.errors import ConversionError
from qatflow.evaluation.metrics import SCORES, judged, measure
from qatflow.quantization.fidelity import reconstruction_r2
from qatflow.tflite.runtime import Runner

BATCH_SIZE = 256
RECONSTRUCTION = "reconstruction_r2"


class Judge:
    """One split as a measure of merit, higher is better.

    Attributes:
        metric: accuracy, r2, auc; or reconstruction_r2 for anomaly detection without samples of both kinds, where no
            AUC exists: the share of the inputs' variance that the autoencoder's outputs explain.
    """

    def __init__(self, data: PreparedData, split: Split) -> None:
        self._data, self._split = data, split
        self.y = split.labels()
        one_kind = data.task == "anomaly" and len(np.unique(self.y)) < 2
        self.metric = RECONSTRUCTION if one_kind else SCORES[data.task]

    def values(self, model: bytes) -> Array:
        """Return what the task is judged by, see `metrics.judged`, for all samples of the split.

        Raises:
            ConversionError: If the model does not run, or gives NaN or infinity.
        """
        runner = Runner(model)
        parts = [judged(self._data.task, x, runner.predict(x)) for x, _ in self._split.batches(BATCH_SIZE)]
        values = np.concatenate(parts)
        if not np.isfinite(values).all():
            raise ConversionError("The flatbuffer gives NaN or infinity for samples of the data")
        return values

    def measures(self, values: Array) -> dict[str, Any]:
        """Return all metrics of the task."""
        if self.metric == RECONSTRUCTION:
            return {RECONSTRUCTION: reconstruction_r2(values, self._variance)}
        return measure(self._data.task, self.y, values, self._data.class_names)

    def score(self, values: Array) -> float:
        """Return the figure that `metric` names."""
        return float(self.measures(values)[self.metric])

    @cached_property
    def _variance(self) -> float:
        """Variance of each input value over the samples, the mean over the values; in one pass."""
        sums = np.zeros((2, *self._split.x_shape))
        for x, _ in self._split.batches(BATCH_SIZE):
            wide = x.astype(np.float64)
            sums += np.stack([wide.sum(axis=0), (wide**2).sum(axis=0)])
        mean, square = sums / self._split.count
        return float(np.mean(np.maximum(square - mean**2, 0.0)))
