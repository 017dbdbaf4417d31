"""Weights at few bits that jump between two grid points: pulled to one, or frozen there.

Nagel et al., "Overcoming Oscillations in Quantization-Aware Training", 2022.
"""

from collections.abc import Callable
from typing import Any

from qatflow.backend import keras, tf
from qatflow.params.quantize import QatParams
from qatflow.quantization.fake_quant import quantized_kernels
from qatflow.training.quantization_aware import Rule

MOMENTUM = 0.01
"""Of the moving averages, as in the paper's code."""
MAX_BITS = 4
"""Wider grids are too fine to oscillate visibly."""


def rules_of(model: keras.Model, settings: QatParams) -> list[Rule]:
    """Return what `dampening` and `freeze_oscillating` ask for each low-bit kernel of a fake-quant model."""
    kernels = low_bit_kernels(model) if settings.dampening or settings.freeze_oscillating else []
    return [
        *(Dampen(kernel, quantizer, settings.dampening) for kernel, quantizer in kernels if settings.dampening),
        *(Freeze(*each, settings.freeze_oscillating) for each in kernels if settings.freeze_oscillating),
    ]


def low_bit_kernels(model: keras.Model) -> list[tuple[Any, Any]]:
    """Return kernel variable and quantizer of every layer with at most `MAX_BITS` bits."""
    return [pair for pair in quantized_kernels(model).values() if pair[1].bits <= MAX_BITS]


class Dampen(Rule):
    """Pulls weights to the centre of a bin, as the penalty weight * sum (q * step - clip(w))^2 does (eq. 7).

    Its gradient 2 * weight * (w - q * step), 0 where w is clipped, joins that of the loss; the loss itself stays as it
    was, so that it compares with other trainings and with that on the validation split.
    """

    def __init__(self, kernel: Any, quantizer: Any, weight: float) -> None:
        super().__init__(kernel)
        self._quantizer, self._weight = quantizer, weight

    def pull(self) -> Any:
        """Return the gradient."""
        step = self._quantizer.step_of(self.kernel)
        scaled = self.kernel / step
        inside = tf.cast(tf.abs(scaled) <= self._quantizer.variables["top"], scaled.dtype)
        return 2 * self._weight * step * inside * (scaled - tf.round(scaled))


class Freeze(Rule):
    """Freezes each weight whose q changes direction too often, at its running mean (section 4.3).

    Args:
        kernel: The kernel.
        quantizer: That of the kernel.
        threshold: Highest allowed frequency of changes of direction, as a moving average.

    Attributes:
        frozen: Variable of the kernel's shape, 1 where it is frozen.
    """

    def __init__(self, kernel: Any, quantizer: Any, threshold: float) -> None:
        super().__init__(kernel)
        self._quantizer, self._threshold = quantizer, threshold

    def build(self, state: Callable[[str, Any], Any]) -> None:
        """Remember the present q."""
        q = self._integers()
        nothing = tf.zeros_like(q)
        self._last, self._mean = state("last_q", q), state("mean_q", q)
        self._direction, self._frequency = state("direction", nothing), state("frequency", nothing)
        self.frozen = state("frozen", nothing)

    def hold(self) -> None:
        """Track q, freeze, and put frozen weights on their grid point."""
        q = self._integers()
        direction = tf.sign(q - self._last)
        turned = tf.cast(direction * self._direction < 0, q.dtype)
        self._frequency.assign_add(MOMENTUM * (turned - self._frequency))
        self._mean.assign_add(MOMENTUM * (q - self._mean))
        self._direction.assign(tf.where(direction != 0, direction, self._direction))
        self._last.assign(q)
        self.frozen.assign(tf.maximum(self.frozen, tf.cast(self._frequency > self._threshold, q.dtype)))
        held = tf.round(self._mean) * self._quantizer.step_of(self.kernel)
        self.kernel.assign(tf.where(self.frozen > 0, held, self.kernel))

    def _integers(self) -> Any:
        top = self._quantizer.variables["top"]
        return tf.clip_by_value(tf.round(self.kernel / self._quantizer.step_of(self.kernel)), -top, top)
