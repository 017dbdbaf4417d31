"""Dynamic widths: each layer's weights come down from 8 to 4 bits while it trains, the most sensitive last."""

from collections.abc import Mapping, Sequence

import numpy as np

from qatflow.artifacts import Array
from qatflow.backend import keras
from qatflow.quantization.fake_quant import wrappers
from qatflow.quantization.grid import levels

FIRST, LAST = 8, 4
DESCENT = 0.6
"""Share of the training in which widths fall; the rest trains at the final ones."""


class Descend(keras.callbacks.Callback):
    """Lowers one layer by one bit at a time, at even distances.

    First every layer to 7 bits, then to 6, and so on; within a round the least sensitive layer goes first. A layer's
    range stays: its step grows by as much as its levels shrink.

    Args:
        model: Fake-quant model with steps for `LAST` bits.
        order: Layers, the least sensitive first.
        steps: Batches of the whole training.
    """

    def __init__(self, model: keras.Model, order: Sequence[str], steps: int) -> None:
        super().__init__()
        self._quantizers = {name: wrappers(model)[name].quantize_config.weights for name in order}
        self._moves = [(name, bits) for bits in range(FIRST - 1, LAST - 1, -1) for name in order]
        self._every = steps * DESCENT / max(1, len(self._moves))
        self._done, self._batches = 0, 0
        for name in order:
            self._set(name, FIRST)

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002 (Keras' names)
        """Make the moves that are due."""
        self._batches += 1
        while self._done < len(self._moves) and self._batches >= (self._done + 1) * self._every:
            self._set(*self._moves[self._done])
            self._done += 1

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002
        """Make the moves that are left, if the training was shorter than said."""
        for name, bits in self._moves[self._done :]:
            self._set(name, bits)
        self._done = len(self._moves)

    def state(self) -> dict[str, Array]:
        """Return how far it came; see `training.recovery.Resumable`. The grids are weights of the model."""
        return {"done": np.array(self._done), "batches": np.array(self._batches)}

    def restore(self, state: Mapping[str, Array]) -> None:
        """Go on from a state."""
        self._done, self._batches = int(state["done"]), int(state["batches"])

    def _set(self, name: str, bits: int) -> None:
        variables = self._quantizers[name].variables
        before, after = float(variables["top"].numpy()), float(levels(bits))
        variables["top"].assign(after)
        variables["log_step"].assign_add(np.full(variables["log_step"].shape, np.log(before / after), np.float32))
