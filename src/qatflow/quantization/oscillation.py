"""Weights at few bits that jump between two grid points: held by a penalty, or frozen.

Nagel et al., "Overcoming Oscillations in Quantization-Aware Training", 2022.
"""

from collections.abc import Callable, Sequence
from typing import Any

from qatflow.backend import keras, tf
from qatflow.quantization.fake_quant import wrappers
from qatflow.quantization.fold import KERNELS

MOMENTUM = 0.01
"""Of the moving averages, as in the paper's code."""
MAX_BITS = 4
"""Wider grids are too fine to oscillate visibly."""


def low_bit_kernels(model: keras.Model) -> list[tuple[Any, Any]]:
    """Return kernel variable and quantizer of every layer with at most `MAX_BITS` bits."""
    found = []
    for wrapper in wrappers(model).values():
        quantizer = wrapper.quantize_config.weights
        if quantizer is not None and quantizer.bits <= MAX_BITS:
            name = KERNELS[type(wrapper.layer)]
            found.append((next(v for v in wrapper.weights if v.name.endswith(f"/{name}:0")), quantizer))
    return found


def dampening(model: keras.Model, weight: float) -> Callable[[], Any]:
    """Return the penalty weight * sum (q * step - clip(w))^2, which pulls weights to the centre of a bin (eq. 7)."""
    kernels = low_bit_kernels(model)

    def penalty() -> Any:
        terms = []
        for kernel, quantizer in kernels:
            step = quantizer.step_of(kernel)
            top = quantizer.variables["top"]
            inside = tf.clip_by_value(kernel, -top * step, top * step)
            terms.append(tf.reduce_sum(tf.square(tf.stop_gradient(tf.round(inside / step) * step) - inside)))
        return weight * tf.add_n(terms) if terms else 0.0

    return penalty


class FreezeOscillating(keras.callbacks.Callback):
    """Freezes each weight whose q changes direction too often, at its running mean (section 4.3).

    Args:
        model: The fake-quant model.
        threshold: Highest allowed frequency of changes of direction, as a moving average.
    """

    def __init__(self, model: keras.Model, threshold: float) -> None:
        super().__init__()
        self._threshold = threshold
        self._tracks = [_Track(kernel, quantizer) for kernel, quantizer in low_bit_kernels(model)]
        self._step = tf.function(self._update)

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002 (Keras' names)
        """Track all kernels and freeze."""
        self._step()

    def frozen_shares(self) -> list[float]:
        """Return the share of frozen weights of each kernel."""
        return [float(tf.reduce_mean(tf.cast(track.frozen, tf.float32))) for track in self._tracks]

    def _update(self) -> None:
        for track in self._tracks:
            track.update(self._threshold)


class _Track:
    """What is remembered of one kernel; all of its shape."""

    def __init__(self, kernel: Any, quantizer: Any) -> None:
        self._kernel, self._quantizer = kernel, quantizer
        q = self._integers()
        self._last, self._mean = tf.Variable(q), tf.Variable(q)
        self._direction, self._frequency = tf.Variable(tf.zeros_like(q)), tf.Variable(tf.zeros_like(q))
        self.frozen = tf.Variable(tf.zeros_like(q, tf.bool))

    def _integers(self) -> Any:
        top = self._quantizer.variables["top"]
        return tf.clip_by_value(tf.round(self._kernel / self._quantizer.step_of(self._kernel)), -top, top)

    def update(self, threshold: float) -> None:
        q = self._integers()
        direction = tf.sign(q - self._last)
        turned = tf.cast(direction * self._direction < 0, tf.float32)
        self._frequency.assign(self._frequency + MOMENTUM * (turned - self._frequency))
        self._mean.assign(self._mean + MOMENTUM * (q - self._mean))
        self._direction.assign(tf.where(direction != 0, direction, self._direction))
        self._last.assign(q)
        self.frozen.assign(tf.logical_or(self.frozen, self._frequency > threshold))
        held = tf.round(self._mean) * self._quantizer.step_of(self._kernel)
        self._kernel.assign(tf.where(self.frozen, held, self._kernel))


def callbacks_of(model: keras.Model, threshold: float) -> Sequence[keras.callbacks.Callback]:
    """Return the callback that freezes; none for threshold 0."""
    return [FreezeOscillating(model, threshold)] if threshold else []
