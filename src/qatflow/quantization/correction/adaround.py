"""AdaRound: rounds the weights of each layer so that its output, not each weight, stays close to the float one."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from qatflow.artifacts import Array
from qatflow.backend import keras
from qatflow.errors import ModelError
from qatflow.quantization.correction.graph import copied, has_plain_kernel, kernel_of, only_reader, outputs_of
from qatflow.quantization.correction.patches import Window, patches
from qatflow.quantization.correction.rounding import Reconstruction, learn_rounding

layers = keras.layers

POSITIONS = 16_384
"""At so many random positions of all images a layer's output is compared."""
MAX_FLOATS = 1 << 25
"""Of the inputs at these positions; layers with large kernels are compared at fewer."""
IMAGES = 128
"""In one forward pass."""


def adaround(
    model: keras.Model,
    steps: Mapping[str, Array],
    bits: int,
    samples: Array,
    *,
    iterations: int = 1000,
    seed: int = 0,
) -> keras.Model:
    """Return a copy of a float model with weights on the grid q * step, |q| < 2^(bits - 1), in float32.

    Nagel et al. 2020, "Up or Down? Adaptive Rounding for Post-Training Quantization": each weight goes to the grid
    point below or above. Layers are rounded in the order of execution; the target is the float layer's output, the
    input is what the layers rounded so far give. A ReLU behind a layer is part of its output. Layers called twice,
    grouped or channels-first ones and other kinds than `fold.KERNELS` stay float.

    Args:
        model: Flat, with one input.
        steps: Layer -> positive steps, (output channels,) or () float32; layers that are missing stay float.
        bits: Of the weights.
        samples: Representative samples, (n, *input shape) float32; 500 to 1000 are enough.
        iterations: Of each layer; half of them bring most of the gain.
        seed: Of positions and batches; the same one gives the same weights.

    Raises:
        ModelError: If the model has no layer of a name in `steps`.
    """
    if missing := sorted(set(steps) - {layer.name for layer in model.layers}):
        raise ModelError(f"{model.name} has no layer '{missing[0]}' to round; it was given steps for it")
    original, rounded, rng = copied(model), copied(model), np.random.default_rng(seed)
    for layer in rounded.layers:
        if layer.name in steps and has_plain_kernel(layer):
            grouped = Grouped(original, rounded, layer.name)
            task = _reconstruction(grouped, _sampled(grouped, samples, rng), steps[layer.name], bits=bits)
            kernel = grouped.kernel(learn_rounding(task, iterations, rng) * task.steps)
            layer.set_weights([kernel, *layer.get_weights()[1:]])
    return rounded


@dataclass(frozen=True, eq=False)
class Grouped:
    """A layer as groups of x @ w + b, see `rounding`.

    Attributes:
        original_model: The float model.
        rounded_model: The one whose earlier layers are rounded.
        name: Of the layer in both.
    """

    original_model: keras.Model
    rounded_model: keras.Model
    name: str

    @property
    def original(self) -> Any:
        """The float layer."""
        return self.original_model.get_layer(self.name)

    @property
    def layer(self) -> Any:
        """The layer to round."""
        return self.rounded_model.get_layer(self.name)

    def sources(self) -> tuple[keras.Model, keras.Model]:
        """Return models that give the layer's input, float and with earlier layers rounded."""
        return (
            keras.Model(self.original_model.inputs, self.original.input),
            keras.Model(self.rounded_model.inputs, self.layer.input),
        )

    @property
    def is_depthwise(self) -> bool:
        """Whether each input channel is a group."""
        return isinstance(self.layer, layers.DepthwiseConv2D)

    @property
    def groups(self) -> int:
        """Number of groups."""
        return int(kernel_of(self.layer).shape[2]) if self.is_depthwise else 1

    def weights(self) -> Array:
        """Return the float kernel as (g, k, o)."""
        kernel = kernel_of(self.original).numpy()
        first = np.moveaxis(kernel, 2, 0) if self.is_depthwise else kernel
        return np.asarray(first.reshape(self.groups, -1, kernel.shape[-1]))

    def kernel(self, weights: Array) -> Array:
        """Return weights (g, k, o) in the layout of the layer."""
        shape = tuple(kernel_of(self.layer).shape)
        if not self.is_depthwise:
            return weights.reshape(shape)
        return np.asarray(np.moveaxis(weights.reshape(shape[2], *shape[:2], shape[3]), 0, 2))

    def inputs(self, x: Array, picks: Array) -> Array:
        """Return what the kernel sees of x at some positions of each sample, (g, p, k).

        Args:
            x: Inputs of the layer, (n, ..., channels).
            picks: Numbers of positions, (n, positions).
        """
        rows = np.arange(len(x))[:, None]
        if isinstance(self.layer, layers.Dense):
            return x.reshape(len(x), -1, x.shape[-1])[rows, picks].reshape(1, -1, x.shape[-1])
        views = patches(x, self._window())
        seen = views[rows, picks // views.shape[2], picks % views.shape[2]].reshape(picks.size, -1, x.shape[-1])
        return np.moveaxis(seen, 2, 0) if self.is_depthwise else seen.reshape(1, picks.size, -1)

    def limits(self) -> tuple[float, float]:
        """Return what the activation in or behind the layer leaves of its outputs."""
        activation, reader = self.layer.get_config()["activation"], only_reader(self.rounded_model, self.layer)
        if isinstance(reader, layers.Activation) and activation == "linear":
            activation = reader.get_config()["activation"]
        if (
            activation == "linear"
            and isinstance(reader, layers.ReLU)
            and not (float(reader.negative_slope) or float(reader.threshold))
        ):
            return 0.0, math.inf if reader.max_value is None else float(reader.max_value)
        return {"relu": (0.0, math.inf), "relu6": (0.0, 6.0)}.get(activation, (-math.inf, math.inf))

    def _window(self) -> Window:
        layer = self.layer
        return Window(layer.kernel_size, layer.strides, layer.dilation_rate, layer.padding == "same")


def _sampled(grouped: Grouped, samples: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """Return the layer's inputs float and rounded, (g, p, k), at the same positions in random order."""
    parts = list(_batches(grouped, samples, rng))
    order = rng.permutation(sum(part.shape[1] for part, _ in parts))[: _positions(grouped)]
    before, after = (np.concatenate(side, axis=1)[:, order] for side in zip(*parts, strict=True))
    return before, after


def _batches(grouped: Grouped, samples: Array, rng: np.random.Generator) -> Iterator[tuple[Array, Array]]:
    sources, each = grouped.sources(), -(-_positions(grouped) // len(samples))
    for start in range(0, len(samples), IMAGES):
        before, after = (source(samples[start : start + IMAGES], training=False).numpy() for source in sources)
        spread = math.prod(grouped.layer.compute_output_shape(before.shape)[1:-1])
        picks = np.stack([rng.permutation(spread)[:each] for _ in before])
        yield grouped.inputs(before, picks), grouped.inputs(after, picks)


def _positions(grouped: Grouped) -> int:
    groups, size, _ = grouped.weights().shape
    return max(1, min(POSITIONS, MAX_FLOATS // int(groups * size)))


def _reconstruction(grouped: Grouped, inputs: tuple[Array, Array], steps: Array, *, bits: int) -> Reconstruction:
    before, after = inputs
    weights, channels = grouped.weights(), outputs_of(grouped.layer)
    shape = (grouped.groups, 1, channels // grouped.groups)
    bias = grouped.original.bias.numpy() if grouped.original.use_bias else np.zeros(channels, np.float32)
    return Reconstruction(
        x=np.ascontiguousarray(after),
        target=before @ weights + bias.reshape(shape),
        weights=weights,
        steps=np.broadcast_to(np.asarray(steps, np.float32), channels).reshape(shape),
        bias=bias.reshape(shape),
        bits=bits,
        limits=grouped.limits(),
    )
