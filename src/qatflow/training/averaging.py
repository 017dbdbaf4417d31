"""Lets the moving average of the weights be judged and kept, while training goes on from the weights themselves."""

from collections.abc import Mapping, Sequence

from qatflow.artifacts import Array
from qatflow.backend import keras


class JudgeAverage(keras.callbacks.Callback):
    """Puts the averaged weights into the model from each epoch's validation to the begin of the next epoch.

    What the optimizer keeps is average = m * average + (1 - m) * weight after each step, from the first weights on
    (Polyak and Juditsky, "Acceleration of Stochastic Approximation by Averaging", 1992, with exponential weights). The
    grids of fake-quants are averaged as they are learned, in their logarithm. The validation loss is that of the
    averages, and so are the weights that `KeepBest`, behind this in the list of callbacks, keeps.

    The optimizer must have been made with `use_ema`.
    """

    def __init__(self) -> None:
        super().__init__()
        self._trained: list[Array] = []

    def on_test_begin(self, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002 (Keras' name)
        """Put the averages in, unless they are."""
        if self._trained:
            return
        variables = self.model.trainable_variables
        self._trained = [variable.numpy() for variable in variables]
        self.model.optimizer.finalize_variable_values(variables)

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002
        """Put the trained weights back."""
        for variable, value in zip(self.model.trainable_variables, self._trained, strict=False):
            variable.assign(value)
        self._trained = []

    def state(self) -> dict[str, Array]:
        """Return the weights that training goes on from; see `recovery.Resumable`."""
        return {str(index): value for index, value in enumerate(self._trained)}

    def restore(self, state: Mapping[str, Array]) -> None:
        """Go on from a state."""
        self._trained = [state[str(index)] for index in range(len(state))]


def averaging_callbacks(momentum: float) -> Sequence[keras.callbacks.Callback]:
    """Return the callback that judges averages; none for momentum 0, at which nothing is averaged."""
    return [JudgeAverage()] if momentum else []
