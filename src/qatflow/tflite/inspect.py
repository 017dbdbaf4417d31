"""Reads what is inside a flatbuffer: operators, types, and weights as the device computes with them."""

import struct
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema

from qatflow.artifacts import Array
from qatflow.errors import ConversionError
from qatflow.tflite.session import Session

OPERATORS = {code: name for name, code in vars(schema.BuiltinOperator).items() if name.isupper()}
TYPES = {code: name for name, code in vars(schema.TensorType).items() if name.isupper()}
WEIGHTS = 1
"""Position of the weights among the inputs of every operator of `WEIGHT_OPERATORS`."""
WEIGHT_OPERATORS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV", "CONV_3D", "BATCH_MATMUL")
KERAS_OPERATIONS = ("Conv2D", "depthwise", "MatMul", "conv2d_transpose", "Conv3D")
TENSORDOT = "Tensordot"
"""What Keras calls the product of a dense layer over the steps of a sequence."""


@dataclass(frozen=True, eq=False)
class LayerWeights:
    """The weights of one operator.

    Attributes:
        name: Keras layer, as far as the converter kept it.
        operator: Such as CONV_2D.
        dtype: As stored, such as INT4.
        values: Dequantized, float32, in the shape the operator uses.
        integers: As stored, q of the same shape; the values themselves if they are stored as floats.
    """

    name: str
    operator: str
    dtype: str
    values: npt.NDArray[np.float32]
    integers: Array


def inventory(model: bytes) -> dict[str, dict[str, int]]:
    """Return how many operators of each name, tensors of each type, and bytes of constants of each type there are.

    Raises:
        ConversionError: If LiteRT cannot run the model.
    """
    tree = parse(model)
    tensors = [tensor for graph in tree.subgraphs for tensor in graph.tensors]
    operators = [operator_name(tree, operator) for graph in tree.subgraphs for operator in graph.operators]
    constants = {tensor.buffer: tensor for tensor in tensors if tree.buffers[tensor.buffer].data is not None}
    weight_bytes: Counter[str] = Counter()
    for tensor in constants.values():
        weight_bytes[TYPES[tensor.type]] += len(tree.buffers[tensor.buffer].data)
    dtypes = Counter(TYPES[tensor.type] for tensor in tensors)
    return {"operators": dict(Counter(operators)), "tensor_dtypes": dict(dtypes), "weight_bytes": dict(weight_bytes)}


def layer_weights(model: bytes) -> list[LayerWeights]:
    """Return the weights of all operators that multiply by constants, in the order in which they run.

    Raises:
        ConversionError: If LiteRT cannot run the model, or weights are stored in a way this reader does not know.
    """
    tree = parse(model)
    try:
        return list(_layers(tree, tree.subgraphs[0]))
    except (KeyError, ValueError, IndexError, TypeError) as error:
        raise ConversionError(f"The model's weights cannot be read: {error!r}") from None


def parse(model: bytes) -> Any:
    """Return a flatbuffer as the schema's tree of objects (`ModelT`).

    Raises:
        ConversionError: If LiteRT cannot run the model.
    """
    Session(model)  # LiteRT's verifier checks every offset and length; the Python reader checks none
    try:
        return schema.ModelT.InitFromPackedBuf(model, 0)
    except (struct.error, IndexError, ValueError, TypeError, AttributeError) as error:
        raise ConversionError(f"The flatbuffer cannot be read: {error!r}") from None


def operator_name(tree: Any, operator: Any) -> str:
    """Return an operator's name, such as CONV_2D."""
    code = tree.operatorCodes[operator.opcodeIndex]
    return str(OPERATORS[max(code.builtinCode, code.deprecatedBuiltinCode)])


def _layers(tree: Any, graph: Any) -> Iterator[LayerWeights]:
    # Float16 models hold half-size constants that a DEQUANTIZE turns into the operator's weights.
    origin = {op.outputs[0]: op.inputs[0] for op in graph.operators if operator_name(tree, op) == "DEQUANTIZE"}
    for op in graph.operators:
        if (name := operator_name(tree, op)) in WEIGHT_OPERATORS:
            tensor = graph.tensors[origin.get(op.inputs[WEIGHTS], op.inputs[WEIGHTS])]
            if (stored := tree.buffers[tensor.buffer].data) is not None:
                dtype = TYPES[tensor.type]
                q = _unpack(dtype, stored, int(np.prod(tensor.shape))).reshape(tensor.shape)
                yield LayerWeights(_layer_name(tensor.name), name, dtype, _dequantize(tensor, q), q)


def _layer_name(tensor_name: bytes) -> str:
    """Return `block/conv` for `model/conv_bn/FusedBatchNormV3;model/block/quant_conv/Conv2D`.

    The converter joins the names of all that it fused; the one that ends like an operation on weights names the layer.
    """
    paths = [name.split("/") for name in tensor_name.decode(errors="replace").split(";")]
    path = next((path for path in paths if path[-1].rstrip("0123456789") in KERAS_OPERATIONS), paths[0])
    named = [part for part in path[1:-1] if part != TENSORDOT]
    return "/".join(part.removeprefix("quant_") for part in named or path)


def _dequantize(tensor: Any, q: Array) -> npt.NDArray[np.float32]:
    """Return `scale * (q - zero_point)`, with scales per tensor or along `quantizedDimension`."""
    values = q.astype(np.float32)
    quantization = tensor.quantization
    if quantization is None or quantization.scale is None:
        return values
    along = np.ones(values.ndim, int)
    along[quantization.quantizedDimension] = -1
    scale, zero_point = (np.reshape(part, along) for part in (quantization.scale, quantization.zeroPoint))
    return np.asarray((values - zero_point) * scale, np.float32)


def _unpack(dtype: str, stored: npt.NDArray[np.uint8], count: int) -> Array:
    """Return `count` stored values; INT4 are two's complement, two in a byte, the low half first."""
    if dtype != "INT4":
        return stored.view(dtype.lower())
    halves = np.stack([stored & 0xF, stored >> 4], axis=1).reshape(-1)[:count]
    return (halves.astype(np.int8) ^ 8) - 8
