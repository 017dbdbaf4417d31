"""Decides where a model gets fake-quants: exactly where TFLite will have a quantized tensor, and nowhere else."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from qatflow.backend import keras
from qatflow.models.activations import activation_of, is_relu
from qatflow.models.kernels import KERNELS
from qatflow.quantization.absorb import absorbed
from qatflow.quantization.fold import source_of
from qatflow.quantization.wiring import ARITHMETIC, fuses_into_reader, grid_of

layers = keras.layers

NORMALIZING = (layers.LayerNormalization, layers.GroupNormalization)
"""Several operators each, whose inner tensors the converter quantizes. Without a grid of its own behind them the
converter folds their gains into the kernel that reads them, off its grid."""
COMPOSITE = (
    *(layers.LSTM, layers.GRU, layers.SimpleRNN, layers.Bidirectional),
    *(layers.TimeDistributed, layers.EinsumDense),
)
"""Layers that the converter quantizes by itself. With a grid behind them a kernel that reads them has its width: TFLite
makes no 4-bit operator whose input has no fake-quant."""
ATTENTION = (layers.Attention, layers.AdditiveAttention, layers.MultiHeadAttention)
"""The same, of several inputs, which no quantizer can be put behind."""
COMPUTING = (
    *NORMALIZING,
    *COMPOSITE,
    *KERNELS,
    *ARITHMETIC,
    layers.Average,
    layers.BatchNormalization,
    layers.Concatenate,
    layers.GlobalAveragePooling1D,
    layers.GlobalAveragePooling2D,
    layers.LeakyReLU,
    layers.PReLU,
    layers.Rescaling,
)
"""Layers whose output has a scale of its own."""
SAME_SCALE = (layers.AveragePooling1D, layers.AveragePooling2D)
"""Layers that round, but whose output must have their input's scale."""
MOVING = (layers.Flatten, layers.Permute, layers.Reshape)
FIXED = {"softmax": (0.0, 255 / 256), "sigmoid": (0.0, 255 / 256), "tanh": (-1.0, 127 / 128)}
"""Activations whose output range TFLite prescribes."""

OPEN = frozenset({"gelu", "hard_sigmoid", "hard_sigmoid_keras3", "hard_swish", "leaky_relu", "selu", "silu", "swish"})
"""Activations whose output range is measured. Of some the last step is a factor, which no kernel behind may get."""


@dataclass(frozen=True)
class Own:
    """An output with a range of its own, calibrated and perhaps learned."""


@dataclass(frozen=True)
class Fixed:
    """An output whose range TFLite prescribes."""

    low: float
    high: float


@dataclass(frozen=True)
class Tied:
    """An output on the grid of another layer's output."""

    to: str


Output = Own | Fixed | Tied


@dataclass(frozen=True)
class Plan:
    """Where fake-quants go, by names of layers.

    Attributes:
        weights: Layer -> bits of its weights, 4 or 8.
        outputs: Layer -> what its output is quantized to.
    """

    weights: Mapping[str, int]
    outputs: Mapping[str, Output]

    @property
    def layers(self) -> frozenset[str]:
        """Names of all layers with any fake-quant."""
        return frozenset(self.weights) | frozenset(self.outputs)


NO_PLAN = Plan({}, {})


def plan_outputs(model: keras.Model) -> dict[str, Output]:
    """Return what the outputs of the layers of a flat model are quantized to; others have no tensor of their own."""
    outputs: dict[str, Output] = {}
    passed = absorbed(model)
    for layer in model.layers:
        if len(layer.inbound_nodes) == 1 and layer.name not in passed and not fuses_into_reader(layer):
            tied = isinstance(layer, SAME_SCALE) or _moves_to_composite(layer)
            found = _tied(layer, outputs) if tied else _output(layer)
            outputs |= {layer.name: found} if found else {}
    return outputs


def _output(layer: Any) -> Output | None:
    if isinstance(layer, (layers.Activation, layers.Softmax)):
        name = activation_of(layer)
        if name in FIXED:
            return Fixed(*FIXED[name])
        starts = name == "linear" and isinstance(source_of(layer), layers.InputLayer)
        return Own() if name in OPEN or is_relu(layer) or starts else None
    computes = isinstance(layer, COMPUTING) and not isinstance(layer.output, (list, tuple))
    return Own() if computes or is_relu(layer) else None


def _moves_to_composite(layer: Any) -> bool:
    """Tell whether a layer moves values for one that the converter quantizes itself: it looks no further for a grid."""
    readers = [node.layer for node in layer.outbound_nodes]
    return isinstance(layer, MOVING) and any(isinstance(reader, (*COMPOSITE, *ATTENTION)) for reader in readers)


def _tied(layer: Any, outputs: Mapping[str, Output]) -> Output | None:
    origin = grid_of(layer)
    return Tied(origin.name) if origin is not None and origin.name in outputs else None
