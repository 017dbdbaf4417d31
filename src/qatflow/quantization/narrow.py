"""Stores dense kernels in 4 bits where TFLite's converter took their 4-bit values for floats and stored them in 8.

It loses sight of the fake-quant of a dense kernel where layers stand over the steps of a sequence, for it reshapes the
kernel there, and in models of which an operator stays float. The kernel then lies on an 8-bit grid of each output, off
its own by up to half a step of that, and takes as many bytes as one of 8 bits.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema

from qatflow.artifacts import Array
from qatflow.backend import keras
from qatflow.models.kernels import columns
from qatflow.quantization.deployed import Deployable
from qatflow.quantization.grid import levels
from qatflow.tflite.inspect import OPERATORS, TYPES, WEIGHTS, operator_name
from qatflow.tflite.rewrite import empty_unread, pack, parse

BITS, BIAS, VERSION = 4, 2, 10
"""Width, position of the bias among the inputs of FULLY_CONNECTED, and its version that takes such weights."""
INT4 = next(code for code, name in TYPES.items() if name == "INT4")
FULLY_CONNECTED = next(code for code, name in OPERATORS.items() if name == "FULLY_CONNECTED")
APART = 0.51
"""In steps of 8 bits: what the second rounding moved, with the last bits of float32."""


class _Kernel(NamedTuple):
    """A kernel as the device shall have it: q (outputs, inputs) from -7 to 7, and their step."""

    q: npt.NDArray[np.int8]
    step: np.float32


def narrowed(flatbuffer: bytes, quantized: Deployable) -> bytes:
    """Return the flatbuffer with every dense kernel in 4 bits that is planned so; the same bytes if all are.

    Raises:
        ConversionError: If LiteRT cannot run it.
    """
    kernels = list(_planned(quantized))
    if not kernels:
        return flatbuffer
    tree = parse(flatbuffer)
    found = [_narrow(tree, graph, operator, kernels) for graph in tree.subgraphs for operator in graph.operators]
    if not any(found):
        return flatbuffer
    empty_unread(tree)
    return pack(tree)


def _planned(quantized: Deployable) -> Iterator[_Kernel]:
    for name, bits in quantized.plan.weights.items():
        layer, step = quantized.model.get_layer(name), quantized.grids.steps[name]
        if bits == BITS and isinstance(layer, keras.layers.Dense) and np.ndim(step) == 0:
            q = np.clip(np.rint(columns(layer).T / step), -levels(BITS), levels(BITS))
            yield _Kernel(q.astype(np.int8), np.float32(step))


def _narrow(tree: Any, graph: Any, operator: Any, kernels: list[_Kernel]) -> bool:
    if operator_name(tree, operator) != "FULLY_CONNECTED":
        return False
    weights = graph.tensors[operator.inputs[WEIGHTS]]
    stored = tree.buffers[weights.buffer].data
    if TYPES[weights.type] != "INT8" or stored is None:
        return False
    scale = np.asarray(weights.quantization.scale, np.float32)
    q = np.asarray(stored).view(np.int8).reshape(weights.shape)
    found = next((kernel for kernel in kernels if _is_it(kernel, q, scale)), None)
    if found is None:
        return False
    _keep_bias(tree, graph, operator, found.step)
    weights.type, weights.buffer = INT4, _added(tree, _packed(found.q))
    weights.quantization.scale, weights.quantization.zeroPoint = np.array([found.step]), np.zeros(1, np.int64)
    code = tree.operatorCodes[operator.opcodeIndex]
    code.version = max(code.version, VERSION)
    return True


def _is_it(kernel: _Kernel, q: npt.NDArray[np.int8], scale: Array) -> bool:
    apart = scale.reshape(-1, 1) * q - kernel.step * kernel.q if q.shape == kernel.q.shape else None
    return apart is not None and bool((np.abs(apart) <= APART * scale.reshape(-1, 1)).all())


def _keep_bias(tree: Any, graph: Any, operator: Any, step: np.float32) -> None:
    """Give the bias the new product of scales, s_in * s_w; it was rounded to that before, so that nothing is lost."""
    if len(operator.inputs) <= BIAS or operator.inputs[BIAS] < 0:
        return
    bias, source = (graph.tensors[operator.inputs[position]] for position in (BIAS, 0))
    product = np.float64(source.quantization.scale[0]) * step
    values = np.asarray(tree.buffers[bias.buffer].data).view(np.int32) * np.float64(bias.quantization.scale)
    bias.buffer = _added(tree, np.rint(values / product).astype(np.int32).view(np.uint8))
    bias.quantization.scale, bias.quantization.zeroPoint = np.array([product], np.float32), np.zeros(1, np.int64)


def _added(tree: Any, data: npt.NDArray[np.uint8]) -> int:
    """Add a buffer and return its number: that of the old data may be read elsewhere."""
    tree.buffers.append(schema.BufferT())
    tree.buffers[-1].data = data
    return len(tree.buffers) - 1


def _packed(q: npt.NDArray[np.int8]) -> npt.NDArray[np.uint8]:
    """Return two values a byte, the low half first."""
    flat = np.append(q.ravel(), np.zeros(q.size % 2, np.int8)).view(np.uint8) & 0xF
    return np.asarray(flat[::2] | (flat[1::2] << 4), np.uint8)
