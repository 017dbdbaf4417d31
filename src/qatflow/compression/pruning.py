"""Magnitude pruning: the smallest weights become zero while the float model trains, and stay zero from then on.

Zhu and Gupta, "To prune, or not to prune", 2017; kept through quantization-aware training as in PQAT.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from qatflow.artifacts import Array
from qatflow.backend import keras, tf
from qatflow.compression.base import Compression, Promises, followed
from qatflow.compression.promise import Promise
from qatflow.compression.sparsity import PATTERNS, adaptive, stored, unstored
from qatflow.data.prepared import PreparedData
from qatflow.errors import ModelError
from qatflow.params.compression import CompressionParams
from qatflow.training.quantization_aware import Rule

EVERY = 10
"""Batches between two looks at the weights."""
SCHEDULES: Mapping[str, Callable[[float], float]] = {
    "constant": lambda _: 1.0,
    "polynomial": lambda share: 1.0 - (1.0 - share) ** 3,
}
"""Share of the final sparsity by the share of the time that is over; polynomial is equation 1 of Zhu and Gupta."""


class KeepZeros(Rule):
    """Puts weights that a mask names back to 0 after each step; it begins with those that are 0.

    Attributes:
        mask: Variable of the kernel's shape, 0 where a weight is gone and else 1.
    """

    def build(self, state: Callable[[str, Any], Any]) -> None:
        """Make the mask."""
        self.mask = state("mask", tf.cast(self.kernel != 0, self.kernel.dtype))

    def hold(self) -> None:
        """Apply it."""
        self.kernel.assign(self.kernel * self.mask)


@dataclass(frozen=True)
class Prune(Compression):
    """Zeros in place of small weights: in each layer the same share, or those of all layers that cost least."""

    trains_float: ClassVar[bool] = True

    def shrink(self, model: keras.Model, data: PreparedData) -> keras.Model:  # noqa: ARG002
        """Return the model itself.

        Raises:
            ParamsError: If it shares layers.
        """
        followed(model)
        return model

    def rules(self, kernels: Mapping[str, Any]) -> list[Rule]:
        """Return a rule for each kernel that keeps its zeros."""
        return [KeepZeros(kernel) for kernel in kernels.values()]

    def growth(self, rules: Sequence[Rule], steps: int) -> list[keras.callbacks.Callback]:
        """Return what lets their zeros grow."""
        return [Grow([rule for rule in rules if isinstance(rule, KeepZeros)], self.settings, steps)]

    def promises(self, model: keras.Model) -> Promises:
        """Return the zeros that each layer has, which are those that were asked for.

        Raises:
            ModelError: If they are fewer.
        """
        kernels = {layer.name: layer.kernel.numpy() for layer in followed(model)}
        zeros = {name: int(np.sum(kernel == 0)) for name, kernel in kernels.items()}
        asked = masks_of([np.ones_like(kernel) for kernel in kernels.values()], self.settings.sparsity, self.settings)
        missing = sum(int(np.sum(mask == 0)) for mask in asked) - sum(zeros.values())
        if missing > 0:
            raise ModelError(
                f"pruning left {missing} weights more than a sparsity of {self.settings.sparsity:g} allows"
            )
        return {name: Promise(zeros=count, fours=self.settings.pattern == "2:4") for name, count in zeros.items()}


class Grow(keras.callbacks.Callback):
    """Moves the masks of rules to their sparsity, by `SCHEDULES`, in the first part of a training.

    Args:
        rules: What the training's optimizer holds.
        settings: Sparsity, pattern and schedule.
        steps: Batches of the whole training.
    """

    def __init__(self, rules: Sequence[KeepZeros], settings: CompressionParams, steps: int) -> None:
        super().__init__()
        self._rules, self._settings = rules, settings
        self._last = max(1, int(steps * settings.growth))
        self._batches = 0

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002 (Keras)
        """Look at the weights now and then, and for the last time when all must be at their sparsity."""
        self._batches += 1
        if self._batches == self._last or (self._batches < self._last and self._batches % EVERY == 0):
            share = SCHEDULES[self._settings.schedule](self._batches / self._last)
            kernels = [rule.kernel.numpy() for rule in self._rules]
            masks = masks_of(kernels, share * self._settings.sparsity, self._settings)
            for rule, mask in zip(self._rules, masks, strict=True):
                rule.mask.assign(mask)
                rule.hold()

    def state(self) -> dict[str, Array]:
        """Return how far it came; see `training.recovery.Resumable`. The masks are part of the optimizer's state."""
        return {"batches": np.array(self._batches)}

    def restore(self, state: Mapping[str, Array]) -> None:
        """Go on from a state."""
        self._batches = int(state["batches"])


def masks_of(kernels: Sequence[Array], sparsity: float, settings: CompressionParams) -> list[Array]:
    """Return the masks of all kernels of a model at a sparsity, of their shapes, float32."""
    if settings.scope == "model":
        return [mask.astype(np.float32) for mask in adaptive(kernels, sparsity)] if kernels else []
    return [mask_of(kernel, sparsity, settings) for kernel in kernels]


def mask_of(kernel: Array, sparsity: float, settings: CompressionParams) -> Array:
    """Return the mask of a kernel (…, i, o) at a sparsity, of its shape, float32."""
    keep = PATTERNS[settings.pattern](stored(kernel), sparsity, settings.block)
    return unstored(keep, kernel.shape).astype(np.float32)
