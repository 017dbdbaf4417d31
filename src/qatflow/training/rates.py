"""A model whose grids (steps and ranges of fake-quants) are trained by an optimizer of their own."""

from collections.abc import Callable, Sequence
from typing import Any

from qatflow.backend import keras, tf

GRID = "_log_"
"""Part of the name of every variable that holds the logarithm of a step or range."""


class TwoRates(keras.Model):
    """A Functional model with a second optimizer for its grids.

    Attributes:
        grid_optimizer: Set before training; updates the variables whose name holds `GRID`.
        penalties: What is added to the loss, each a function of nothing.
    """

    grid_optimizer: Any = None
    penalties: Sequence[Callable[[], Any]] = ()

    def train_step(self, data: Any) -> dict[str, Any]:
        """Make one step on a batch; see `keras.Model.train_step`."""
        x, y, weight = keras.utils.unpack_x_y_sample_weight(data)
        with tf.GradientTape() as tape:
            outputs = self(x, training=True)
            loss = self.compute_loss(x, y, outputs, weight)
            loss += sum(penalty() for penalty in self.penalties)
        variables = self.trainable_variables
        pairs = list(zip(tape.gradient(loss, variables), variables, strict=True))
        self.optimizer.apply_gradients([pair for pair in pairs if GRID not in pair[1].name])
        if grids := [pair for pair in pairs if GRID in pair[1].name]:
            self.grid_optimizer.apply_gradients(grids)
        return dict(self.compute_metrics(x, y, outputs, weight))


def with_two_rates(model: keras.Model) -> TwoRates:
    """Return a model of the same layers that trains its grids apart."""
    return TwoRates(model.inputs, model.outputs, name=model.name)
