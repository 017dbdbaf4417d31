"""The operators of a flatbuffer that multiply by constants, and what they give on average."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema

from qatflow.artifacts import Array
from qatflow.quantization.correction.patches import Window, mean_patch
from qatflow.tflite.inspect import OPERATORS, TYPES, WEIGHT_OPERATORS, WEIGHTS, LayerWeights

Float64 = npt.NDArray[np.float64]

BIAS = 2
"""Position of the bias among the inputs of an operator."""


@dataclass(frozen=True, eq=False)
class Operator:
    """A CONV_2D, DEPTHWISE_CONV_2D or FULLY_CONNECTED of a schema tree.

    Attributes:
        tree: The `schema.ModelT`.
        table: Its `schema.OperatorT`.
        weights: As the device computes with them.
    """

    tree: Any
    table: Any
    weights: LayerWeights

    @property
    def source(self) -> int:
        """Index of the tensor that it reads."""
        return int(self.table.inputs[0])

    @property
    def bias_index(self) -> int:
        """Index of the tensor of the bias, -1 if it has none."""
        return int(self.table.inputs[BIAS]) if len(self.table.inputs) > BIAS else -1

    @property
    def has_known_bias(self) -> bool:
        """Whether the bias is a constant, or there is none."""
        index = self.bias_index
        return index < 0 or self.tree.buffers[self.tensor(index).buffer].data is not None

    def tensor(self, index: int) -> Any:
        """Return a tensor of its subgraph."""
        return self.tree.subgraphs[0].tensors[index]

    def mean_output(self, mean_input: Array) -> Float64:
        """Return E[y] of each output channel before the activation, (channels,), in real units.

        y = W * x + b is linear, so that E[y] = W * E[x] + b, where E[x] is taken at every element of the kernel over
        all its positions: zeros of the padding count.

        Args:
            mean_input: Mean over the samples of the tensor `source`, as it stores them.
        """
        scale, zero_point = grid(self.tensor(self.source))
        return _products(self, scale * (mean_input - zero_point)) + self._bias()

    def _bias(self) -> Float64 | float:
        if self.bias_index < 0:
            return 0.0
        scale, _ = grid(self.tensor(self.bias_index))
        return np.asarray(scale * constant(self.tree, self.bias_index), np.float64)


def operators(tree: Any, weights: list[LayerWeights]) -> list[Operator]:
    """Return the operators of the first subgraph with constant weights, whatever their kind, as `weights` lists them.

    Args:
        tree: Of the flatbuffer.
        weights: What `layer_weights` gives for it.
    """
    return [Operator(tree, table, layer) for table, layer in zip(_tables(tree), weights, strict=True)]


def grid(tensor: Any) -> tuple[Float64, Float64]:
    """Return scale and zero point, (1,) or (channels,); 1 and 0 for float tensors."""
    if tensor.quantization is None or tensor.quantization.scale is None:
        return np.ones(1), np.zeros(1)
    return np.asarray(tensor.quantization.scale, np.float64), np.asarray(tensor.quantization.zeroPoint, np.float64)


def constant(tree: Any, index: int) -> Array:
    """Return the values of a constant tensor that is not packed, (n,) in its own type."""
    tensor = tree.subgraphs[0].tensors[index]
    return np.asarray(tree.buffers[tensor.buffer].data.view(TYPES[tensor.type].lower()))


def _tables(tree: Any) -> Iterator[Any]:
    codes = [OPERATORS[max(code.builtinCode, code.deprecatedBuiltinCode)] for code in tree.operatorCodes]
    graph = tree.subgraphs[0]
    origin = {op.outputs[0]: op.inputs[0] for op in graph.operators if codes[op.opcodeIndex] == "DEQUANTIZE"}
    for op in graph.operators:
        if codes[op.opcodeIndex] in WEIGHT_OPERATORS:
            weights = graph.tensors[origin.get(op.inputs[WEIGHTS], op.inputs[WEIGHTS])]
            if tree.buffers[weights.buffer].data is not None:
                yield op


def _products(operator: Operator, x: Float64) -> Float64:
    weights = operator.weights.values.astype(np.float64)
    if operator.weights.operator == "FULLY_CONNECTED":
        return np.asarray(weights @ x.reshape(-1, weights.shape[1]).mean(axis=0))
    patch = mean_patch(x, _window(operator))
    if operator.weights.operator == "DEPTHWISE_CONV_2D":
        multiplier = weights.shape[-1] // patch.shape[-1]
        return np.asarray((patch.repeat(multiplier, axis=-1) * weights[0]).sum(axis=(0, 1)))
    groups = patch.shape[-1] // weights.shape[-1]
    kernels = weights.reshape(groups, -1, *weights.shape[1:])
    products = np.einsum("gohwi,hwgi->go", kernels, patch.reshape(*patch.shape[:2], groups, -1))
    return np.asarray(products.reshape(-1))


def _window(operator: Operator) -> Window:
    options = operator.table.builtinOptions
    _, height, width, _ = operator.weights.values.shape
    return Window(
        size=(height, width),
        strides=(options.strideH, options.strideW),
        dilation=(options.dilationHFactor, options.dilationWFactor),
        same=options.padding == schema.Padding.SAME,
    )
