"""Sees a convolution, depthwise convolution or dense layer as groups of x @ w + b."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from qatflow.artifacts import Array
from qatflow.backend import keras
from qatflow.models.activations import activation_of
from qatflow.models.kernels import kernel_of
from qatflow.quantization.correction.graph import only_reader
from qatflow.quantization.correction.patches import Window, patches

layers = keras.layers


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
        activation, reader = activation_of(self.layer), only_reader(self.rounded_model, self.layer)
        if isinstance(reader, layers.Activation) and activation == "linear":
            activation = activation_of(reader)
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
