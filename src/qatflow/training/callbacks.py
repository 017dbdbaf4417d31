"""What happens while Keras trains: progress, a stop when the loss is lost, and the best weights kept."""

import math
from collections.abc import Mapping

import numpy as np

from qatflow.artifacts import Array
from qatflow.backend import keras
from qatflow.errors import ModelError
from qatflow.progress import Progress

BATCHES_PER_REPORT = 20


class Watch(keras.callbacks.Callback):
    """Reports progress every 20 batches and at the end of each epoch, and ends a training whose loss is not finite.

    Raises:
        ModelError: If the loss became NaN or infinite.
    """

    def __init__(self, label: str, epochs: int, steps: int, progress: Progress) -> None:
        super().__init__()
        self._label, self._epochs, self._steps, self._progress = label, epochs, steps, progress
        self._epoch = 0

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002 (Keras' name)
        """Remember the epoch."""
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Check and report every 20 batches."""
        if (batch + 1) % BATCHES_PER_REPORT == 0:
            self._report(batch + 1, logs)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002
        """Check and report."""
        self._report(self._steps, logs)

    def _report(self, steps: int, logs: dict[str, float] | None) -> None:
        for name, value in (logs or {}).items():
            if name.endswith("loss") and not math.isfinite(value):
                raise ModelError(f"{name} became {value} in epoch {self._epoch + 1}; lower the learning rate")
        label = f"{self._label}, epoch {self._epoch + 1}/{self._epochs}"
        self._progress(label, self._epoch * self._steps + steps, self._epochs * self._steps)


class KeepBest(keras.callbacks.Callback):
    """Ends the training with the weights of the epoch whose validation loss was lowest.

    Args:
        initial: Validation loss before the training; the first weights come back if no epoch is better.
        first: Epoch, from 0, before which none is kept.
    """

    def __init__(self, initial: float = math.inf, first: int = 0) -> None:
        super().__init__()
        self._initial, self._first = initial, first

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002
        """Forget the former training."""
        self._lowest = self._initial
        self._weights: list[Array] = self.model.get_weights() if math.isfinite(self._initial) else []

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Keep the weights if they are the best so far."""
        loss = (logs or {}).get("val_loss", math.inf)
        if epoch >= self._first and loss < self._lowest:
            self._lowest, self._weights = loss, self.model.get_weights()

    def state(self) -> dict[str, Array]:
        """Return the lowest loss and its weights; see `recovery.Resumable`."""
        return {"lowest": np.array(self._lowest)} | {f"weight{i}": value for i, value in enumerate(self._weights)}

    def restore(self, state: Mapping[str, Array]) -> None:
        """Go on from a state."""
        self._lowest = float(state["lowest"])
        self._weights = [state[f"weight{index}"] for index in range(len(state) - 1)]

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002
        """Put the best weights back."""
        if self._weights:
            self.model.set_weights(self._weights)
