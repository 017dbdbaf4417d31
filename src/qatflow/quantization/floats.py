"""Gives layers of an integer flatbuffer their float weights back: DEQUANTIZE, the layer in float, QUANTIZE.

TFLite's converter decides by itself what it quantizes. What the user keeps float is therefore put back behind it, in
one way for every strategy. The tensors on either side stay on their integer grids.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from qatflow.artifacts import Array
from qatflow.errors import ConversionError
from qatflow.quantization.correction.operators import Operator, operators
from qatflow.tflite.inspect import TYPES, WEIGHTS, layer_weights
from qatflow.tflite.rewrite import pack, parse

KINDS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
INTEGERS = ("INT8", "INT16")
VERSIONS = {"DEQUANTIZE": 2, "QUANTIZE": 1}
"""Of operators, as LiteRT registers them for int8; int16 asks for one more."""


def with_floats(flatbuffer: bytes, float_model: bytes, names: Collection[str]) -> bytes:
    """Return the flatbuffer with the layers `names` in float32.

    Args:
        flatbuffer: With integer weights.
        float_model: Flatbuffer of the same model in float32, its layers of the same names.
        names: Of Keras layers.

    Raises:
        ConversionError: If a layer is not found in both, is of another kind, or LiteRT cannot run the result.
    """
    tree = parse(flatbuffer)
    held = {operator.weights.name: operator for operator in operators(tree, layer_weights(flatbuffer))}
    floats = {each.weights.name: each for each in operators(parse(float_model), layer_weights(float_model))}
    for name in sorted(names):
        own, original = held.get(name), floats.get(name)
        if own is None or original is None or not _alike(own, original):
            raise ConversionError(
                f"Layer '{name}' cannot stay float: TFLite made it a part of another operator. Give it 8 bits instead, "
                "or take float32"
            )
        _replace(tree, own, original)
    changed = pack(tree)
    parse(changed)
    return changed


def _alike(own: Operator, original: Operator) -> bool:
    shapes = own.weights.values.shape == original.weights.values.shape
    return own.weights.operator == original.weights.operator and own.weights.operator in KINDS and shapes


def _replace(tree: Any, own: Operator, original: Operator) -> None:
    graph, bias = tree.subgraphs[0], original.bias_index
    name = own.tensor(int(own.table.inputs[WEIGHTS])).name  # by which readers know the layer
    constants = [_constant(tree, name, original.weights.values)]
    if bias >= 0:
        values = original.tree.buffers[original.tensor(bias).buffer].data.view(np.float32)
        constants.append(_constant(tree, name + b"/bias", values))
    place = next(i for i, operator in enumerate(graph.operators) if operator is own.table)
    source, result = int(own.table.inputs[0]), int(own.table.outputs[0])
    before = _cast(tree, "DEQUANTIZE", source, place) if TYPES[graph.tensors[source].type] in INTEGERS else source
    own.table.inputs = np.array([before, *constants, *([-1] if bias < 0 else [])], np.int32)
    if TYPES[graph.tensors[result].type] in INTEGERS:
        own.table.outputs = np.array([_uncast(tree, result, own.table)], np.int32)
    if hasattr(own.table.builtinOptions, "asymmetricQuantizeInputs"):
        own.table.builtinOptions.asymmetricQuantizeInputs = False
    code = tree.operatorCodes[own.table.opcodeIndex]
    own.table.opcodeIndex = _code(tree, max(code.builtinCode, code.deprecatedBuiltinCode), 1)


def _cast(tree: Any, kind: str, source: int, place: int) -> int:
    """Read tensor `source` as float at a place among the operators; return the float tensor."""
    graph = tree.subgraphs[0]
    floats = _float_like(tree, source)
    graph.operators.insert(place, _operator(tree, kind, source, floats))
    return floats


def _uncast(tree: Any, result: int, table: Any) -> int:
    """Let what `table` gives in float go to the integer tensor `result`; return the float tensor."""
    graph = tree.subgraphs[0]
    floats = _float_like(tree, result)
    place = next(i for i, operator in enumerate(graph.operators) if operator is table)
    graph.operators.insert(place + 1, _operator(tree, "QUANTIZE", floats, result))
    return floats


def _operator(tree: Any, kind: str, source: int, result: int) -> Any:
    graph = tree.subgraphs[0]
    wide = "INT16" in {TYPES[graph.tensors[index].type] for index in (source, result)}
    options = {"DEQUANTIZE": schema.DequantizeOptionsT, "QUANTIZE": schema.QuantizeOptionsT}[kind]
    operator = schema.OperatorT()
    operator.opcodeIndex = _code(tree, getattr(schema.BuiltinOperator, kind), VERSIONS[kind] + wide)
    operator.inputs, operator.outputs = np.array([source], np.int32), np.array([result], np.int32)
    operator.builtinOptionsType = getattr(schema.BuiltinOptions, f"{kind.title()}Options")
    operator.builtinOptions = options()
    return operator


def _code(tree: Any, builtin: int, version: int) -> int:
    for index, code in enumerate(tree.operatorCodes):
        if (max(code.builtinCode, code.deprecatedBuiltinCode), code.version) == (builtin, version):
            return index
    made = schema.OperatorCodeT()
    made.builtinCode, made.deprecatedBuiltinCode, made.version = builtin, min(builtin, 127), version
    tree.operatorCodes.append(made)
    return len(tree.operatorCodes) - 1


def _float_like(tree: Any, index: int) -> int:
    """Return a new float tensor of the shape of another, without a buffer of its own."""
    like = tree.subgraphs[0].tensors[index]
    tensor = schema.TensorT()
    tensor.shape, tensor.shapeSignature, tensor.name = like.shape, like.shapeSignature, like.name + b"/float"
    tensor.type, tensor.buffer = schema.TensorType.FLOAT32, _buffer(tree, None)
    return _added(tree, tensor)


def _constant(tree: Any, name: bytes, values: Array) -> int:
    tensor = schema.TensorT()
    tensor.shape, tensor.name = np.array(values.shape, np.int32), name
    tensor.type = schema.TensorType.FLOAT32
    tensor.buffer = _buffer(tree, np.ascontiguousarray(values, np.float32).reshape(-1).view(np.uint8))
    return _added(tree, tensor)


def _buffer(tree: Any, data: Array | None) -> int:
    buffer = schema.BufferT()
    buffer.data = data
    tree.buffers.append(buffer)
    return len(tree.buffers) - 1


def _added(tree: Any, tensor: Any) -> int:
    tree.subgraphs[0].tensors.append(tensor)
    return len(tree.subgraphs[0].tensors) - 1
