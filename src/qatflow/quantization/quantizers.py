"""Fake-quants in tfmot's form. Each layer has quantizers of its own, which know the variables they were built with.

In training any mathematics will do. In inference each one is TensorFlow's own fake-quant operator on the same grid,
which TFLite's converter turns into integers.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from tensorflow_model_optimization.python.core.quantization.keras.quantizers import Quantizer

from qatflow.artifacts import Array
from qatflow.backend import keras, tf
from qatflow.compression.clustering import nearest_code
from qatflow.quantization.grid import levels

Variables = dict[str, Any]
constant = keras.initializers.Constant


def highest(bits: int, codes: Array | None) -> int:
    """Return the highest q of weights: where codes are 1 to m, they are a grid that ends at m."""
    if codes is not None and np.array_equal(codes, np.arange(1, codes.size + 1)):
        return codes.size
    return levels(bits)


class WeightQuantizer(Quantizer):
    """Weights on a symmetric grid with learned steps (LSQ; Esser et al., "Learned Step Size Quantization", 2020).

    The logarithm of a step is what is learned (as in Jain et al., "Trained Quantization Thresholds", 2019), so that a
    learning rate means a relative change, whatever the layer's weights are like.

    Args:
        bits: 4 or 8.
        steps: Initial steps; (c,) float32 for one a channel, () for one for the tensor.
        learned: Whether steps are trained.
        codes: The only levels besides 0, in steps and of either sign, (m,) float32 ascending; None for all. They are
            rounded where they are used; see `compression.clustering` and `highest`.
    """

    def __init__(self, bits: int, steps: Array, *, learned: bool, codes: Array | None = None) -> None:
        self.bits, self.steps, self.learned, self.codes = bits, np.asarray(steps, np.float32), learned, codes
        self.variables: Variables = {}

    def build(self, tensor_shape: Any, name: str, layer: Any) -> Variables:  # noqa: ARG002 (tfmot's names)
        """Make the variables `log_step`, of the steps' shape, `top`, the highest q, and `codes`, if there are any."""
        log_step = layer.add_weight(
            f"{name}_log_step", self.steps.shape, initializer=constant(np.log(self.steps)), trainable=self.learned
        )
        top = layer.add_weight(
            f"{name}_top", (), initializer=constant(float(highest(self.bits, self.codes))), trainable=False
        )
        self.variables = {"log_step": log_step, "top": top}
        if self.codes is not None:
            self.variables["codes"] = layer.add_weight(
                f"{name}_codes", self.codes.shape, initializer=constant(self.codes), trainable=False
            )
        return self.variables

    def step_of(self, kernel: Any) -> Any:
        """Return the steps in a shape that divides the kernel."""
        step = tf.exp(self.variables["log_step"])
        depthwise = step.shape.rank and step.shape[0] != kernel.shape[-1]
        return tf.reshape(step, kernel.shape[2:]) if depthwise else step

    def present_steps(self) -> Array:
        """Return the steps as they are now, shaped as `steps`."""
        return np.asarray(np.exp(self.variables["log_step"].numpy()))

    def __call__(self, inputs: Any, training: bool, weights: Variables, **kwargs: Any) -> Any:  # noqa: ARG002
        """Return the kernel on its grid; channels lie along its last axis, or its last two for depthwise kernels.

        That of a Conv1D comes back as (1, k, i, o), see `planned`.
        """
        step = tf.exp(weights["log_step"])
        columns = _columns(inputs, self.steps.size)
        rounded = tf.round if self.codes is None else partial(nearest_code, codes=weights["codes"])
        if training:
            quantized = lsq(columns, step, weights["top"], rounded)
        else:
            on_codes = columns if self.codes is None else rounded(columns / step) * step
            quantized = _fake_quant(on_codes, step * levels(self.bits), self.bits)
        return tf.reshape(quantized, inputs.shape) if inputs.shape.rank == 4 else quantized

    def get_config(self) -> dict[str, Any]:
        """Return the arguments."""
        codes = None if self.codes is None else self.codes.tolist()
        return {"bits": self.bits, "steps": self.steps.tolist(), "learned": self.learned, "codes": codes}


def _columns(kernel: Any, channels: int) -> Any:
    """Return a kernel with its channels along the last axis and a rank that TensorFlow's operator takes.

    Depthwise (h, w, c, m) becomes (h, w, 1, c * m), one-dimensional (k, i, o) becomes (1, k, i, o).
    """
    if kernel.shape.rank == 3:
        return kernel[None]
    if channels in {1, kernel.shape[-1]}:
        return kernel
    return tf.reshape(kernel, (*kernel.shape[:2], 1, channels))


def _fake_quant(values: Any, limit: Any, bits: int) -> Any:
    operator = tf.quantization.fake_quant_with_min_max_vars
    if limit.shape.rank:
        operator = tf.quantization.fake_quant_with_min_max_vars_per_channel
    return operator(values, -limit, limit, num_bits=bits, narrow_range=True)


def lsq(values: Any, step: Any, top: Any, rounded: Callable[[Any], Any] = tf.round) -> Any:
    """Return clip(round(values / step), -top, top) * step, with LSQ's gradients.

    d/dvalues is 1 inside the range and 0 outside. d/dstep is round(v) - v inside, with v = values / step, and -top or
    top outside, scaled by 1 / sqrt(n * top) for n values a step (Esser et al. 2020, eq. 3 and section 2.2). Another
    `rounded` has levels of its own in place of all integers, and the same gradients.
    """

    @tf.custom_gradient
    def apply(values: Any, step: Any, top: Any) -> Any:
        scaled = values / step
        q = tf.clip_by_value(rounded(scaled), -top, top)

        def gradient(upstream: Any) -> tuple[Any, Any, None]:
            inside = tf.cast(tf.abs(scaled) <= top, values.dtype)
            slopes = upstream * (q - scaled * inside)
            axes = range(values.shape.rank - step.shape.rank)
            count = tf.cast(tf.size(values) // tf.size(step), values.dtype)
            return upstream * inside, tf.reduce_sum(slopes, axes) / tf.sqrt(count * top), None

        return q * step, gradient

    return apply(values, step, top)


@dataclass(frozen=True, eq=False)
class TwoSteps:
    """How a kernel rounds its accumulator: to fractions of an output step, then to whole steps; see `deployed`.

    Attributes:
        fractions: How many make a step, (c,) or () float32.
        away: Whether halves of a step go away from zero; else up.
    """

    fractions: Array
    away: bool

    def __call__(self, values: Any, fractions: Any) -> Any:
        """Return values (in steps) rounded; `fractions` is a variable that holds those of the same name."""
        rounded = tf.round(values * fractions) / fractions
        return _halves_away(rounded) if self.away else tf.floor(rounded + 0.5)


def _halves_away(values: Any) -> Any:
    return tf.sign(values) * tf.floor(tf.abs(values) + 0.5)


class RangeQuantizer(Quantizer):
    """Activations on an affine 8-bit grid over a range that is calibrated, and may be learned.

    The logarithms of -low and high are learned. A bound that starts at 0, such as that behind a ReLU, stays there. The
    gradient is that of TensorFlow's operator: clipped values move the bound that clipped them (Choi et al., "PACT",
    2018).

    Args:
        low: At most 0.
        high: At least 0.
        learned: Whether the range is trained.
        rounding: How the device rounds, where that is seen.
    """

    def __init__(self, low: float, high: float, *, learned: bool, rounding: TwoSteps | None = None) -> None:
        self.low, self.high, self.learned, self.rounding = float(low), float(high), learned, rounding
        self.variables: Variables = {}

    def build(self, tensor_shape: Any, name: str, layer: Any) -> Variables:  # noqa: ARG002 (tfmot's names)
        """Make the variables `low` and `high`, which hold logarithms; none for a bound at 0."""
        bounds = {"low": -self.low, "high": self.high}
        self.variables = {
            key: layer.add_weight(f"{name}_log_{key}", (), initializer=constant(np.log(size)), trainable=self.learned)
            for key, size in bounds.items()
            if size > 0
        }
        if self.rounding is not None:  # a variable: the graph optimizer would move constants, and round otherwise
            fractions = self.rounding.fractions
            self.variables["fractions"] = layer.add_weight(
                f"{name}_fractions", fractions.shape, initializer=constant(fractions), trainable=False
            )
        return self.variables

    def present_range(self) -> tuple[float, float]:
        """Return the range as it is now."""
        low, high = (
            float(np.exp(self.variables[key].numpy())) if key in self.variables else 0.0 for key in ("low", "high")
        )
        return -low, high

    def __call__(self, inputs: Any, training: bool, weights: Variables, **kwargs: Any) -> Any:  # noqa: ARG002
        """Return the activations on their grid."""
        low, high = _bounds(weights)
        if self.rounding is not None:
            scale = (low + high) / 255
            inputs = self.rounding(inputs / scale, weights["fractions"]) * scale
        if training and not self.learned:
            return _clipped_straight_through(inputs, -low, high, (self.low, self.high))
        return tf.quantization.fake_quant_with_min_max_vars(inputs, -low, high)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments."""
        return {"low": self.low, "high": self.high, "learned": self.learned}


def _clipped_straight_through(values: Any, low: Any, high: Any, fixed: tuple[float, float]) -> Any:
    """Return values on the grid of a range that is not trained, (low, high); d/dvalues is 1 inside it and 0 outside.

    The gradient of TensorFlow's operator, in one pass over the values instead of three: it sums none for the bounds.
    """

    @tf.custom_gradient
    def apply(inside: Any) -> Any:
        def gradient(upstream: Any) -> Any:
            return tf.raw_ops.FakeQuantWithMinMaxArgsGradient(
                gradients=upstream, inputs=inside, min=fixed[0], max=fixed[1]
            )

        return tf.quantization.fake_quant_with_min_max_vars(inside, low, high), gradient

    return apply(values)


def _bounds(weights: Variables) -> tuple[Any, Any]:
    """Return -low and high."""
    low, high = (tf.exp(weights[key]) if key in weights else 0.0 for key in ("low", "high"))
    return low, high


class TiedQuantizer(Quantizer):
    """Activations on the grid of another quantizer, whose variables it reads.

    Args:
        origin: The quantizer of a layer before this one.
        as_device: Whether to round as TFLite's AVERAGE_POOL_2D does: halves of q, which holds the zero point, go away
            from zero.
    """

    def __init__(self, origin: "RangeQuantizer | TiedQuantizer", *, as_device: bool = False) -> None:
        self._origin, self._as_device = origin, as_device

    def build(self, tensor_shape: Any, name: str, layer: Any) -> Variables:  # noqa: ARG002 (tfmot's names)
        """Return the other's variables."""
        return self.variables

    @property
    def variables(self) -> Variables:
        """The other's variables."""
        return self._origin.variables

    def __call__(self, inputs: Any, training: bool, weights: Variables, **kwargs: Any) -> Any:  # noqa: ARG002
        """Return the activations on the other's grid."""
        low, high = _bounds(weights)
        if self._as_device:
            inputs = _averaged(inputs, (low + high) / 255, low)
        return tf.quantization.fake_quant_with_min_max_vars(inputs, -low, high)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments."""
        return {"origin": self._origin.get_config()}


def _averaged(means: Any, scale: Any, low: Any) -> Any:
    zero = tf.round(low / scale) - 128
    q = tf.round((means / scale + zero) * 4096) / 4096  # takes out the error of float32: a half is to be a half
    return (_halves_away(q) - zero) * scale
