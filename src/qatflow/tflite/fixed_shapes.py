"""Writes shapes into a flatbuffer that the converter left to be computed from other shapes.

Keras' Reshape, and dense layers over steps, ask for the size of a free batch: SHAPE, STRIDED_SLICE, GATHER, PACK
and more for what is known but for one number, which RESHAPE finds by itself where it is -1. LiteRT plans the memory of
computed shapes anew with each call and does not know the output's before, and delegates leave such models alone. TFLite
Micro plans with the shapes in the file, which the converter sets to 1 where they are computed.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from qatflow.artifacts import Array
from qatflow.tflite.inspect import operator_name
from qatflow.tflite.rewrite import empty_unread, keep_tensors, pack
from qatflow.tflite.session import DELEGATED

COMPUTING = frozenset({"SHAPE", "STRIDED_SLICE", "GATHER", "REDUCE_PROD", "PACK", "CONCATENATION"})
FIRST = 0


def with_fixed_shapes(model: bytes) -> bytes:
    """Return a flatbuffer of the converter with constant shapes where they are known; the same bytes if there are none.

    The answers are the same, bit for bit. What a shape is comes out by calling the model with two and three samples:
    the size that differs is the free one.
    """
    if not _uses(model, schema.BuiltinOperator.SHAPE):
        return model
    tree = schema.ModelT.InitFromPackedBuf(model, 0)
    graph = tree.subgraphs[FIRST]
    found = _shapes(model, [index for index in range(len(graph.tensors)) if _is_shape(tree, graph, index)])
    if not found:
        return model
    for index, sizes in found.items():
        tree.buffers.append(_buffer(sizes))
        graph.tensors[index].buffer = len(tree.buffers) - 1
    graph.operators = [op for op in graph.operators if not found.keys() & set(map(int, op.outputs))]
    _drop_unused(tree, graph)
    _note_shapes(tree, graph, pack(tree))
    return pack(tree)


def _uses(model: bytes, code: int) -> bool:
    root = schema.Model.GetRootAs(model, 0)
    codes = [root.OperatorCodes(index) for index in range(root.OperatorCodesLength())]
    return any(max(one.BuiltinCode(), one.DeprecatedBuiltinCode()) == code for one in codes)


def _is_shape(tree: Any, graph: Any, index: int) -> bool:
    """Tell whether a tensor is computed from shapes, and read as a shape by RESHAPE alone."""
    makers = [operator_name(tree, operator) for operator in graph.operators if index in operator.outputs]
    readers = [operator for operator in graph.operators if index in operator.inputs]
    as_shape = all(operator_name(tree, one) == "RESHAPE" and one.inputs[0] != index for one in readers)
    return bool(makers and readers) and COMPUTING.issuperset(makers) and as_shape and index not in graph.outputs


def _shapes(model: bytes, indices: Sequence[int]) -> dict[int, Array]:
    """Return tensor -> its values with -1 for the one that goes with the batch; those with more such are left out."""
    try:
        two, three = (_called(model, batch) for batch in (2, 3))
        values = {index: (two.get_tensor(index), three.get_tensor(index)) for index in indices}
    except (RuntimeError, ValueError):
        return {}  # it takes one sample only
    free = {index: np.where(a == b, a, -1) for index, (a, b) in values.items() if a.shape == b.shape}
    return {index: sizes for index, sizes in free.items() if (sizes == -1).sum() <= 1}


def _called(model: bytes, batch: int) -> Interpreter:
    interpreter = Interpreter(
        model_content=model, experimental_op_resolver_type=DELEGATED, experimental_preserve_all_tensors=True
    )
    source = interpreter.get_input_details()[0]
    interpreter.resize_tensor_input(source["index"], [batch, *source["shape"][1:]])
    interpreter.allocate_tensors()
    interpreter.set_tensor(source["index"], np.zeros([batch, *source["shape"][1:]], source["dtype"]))
    interpreter.invoke()
    return interpreter


def _buffer(sizes: Array) -> Any:
    buffer = schema.BufferT()
    buffer.data = np.asarray(sizes, "<i4").view(np.uint8)
    return buffer


def _note_shapes(tree: Any, graph: Any, model: bytes) -> None:
    """Write down the shapes that tensors have with one sample, where all are known before the model is called."""
    if any(operator_name(tree, operator) == "SHAPE" for operator in graph.operators):
        return
    for found in _called(model, 1).get_tensor_details():
        if found["index"] < len(graph.tensors):
            tensor = graph.tensors[found["index"]]
            if tensor.shapeSignature is not None:
                tensor.shape = np.asarray(found["shape"], np.int32)


def _drop_unused(tree: Any, graph: Any) -> None:
    """Drop what computed shapes that nobody reads any more, its tensors, and the values of its buffers."""
    while dead := [op for op in graph.operators if _is_dead(tree, graph, op)]:
        graph.operators = [op for op in graph.operators if op not in dead]
    keep_tensors(tree, FIRST, sorted({index for index in _indices(graph) if index >= 0}))
    empty_unread(tree)


def _is_dead(tree: Any, graph: Any, operator: Any) -> bool:
    read = {int(index) for one in graph.operators for index in one.inputs} | {int(index) for index in graph.outputs}
    return operator_name(tree, operator) in COMPUTING and not read & {int(index) for index in operator.outputs}


def _indices(graph: Any) -> Iterator[int]:
    for holder in (graph, *graph.operators):
        for field in (holder.inputs, holder.outputs, getattr(holder, "intermediates", None)):
            yield from map(int, field if field is not None else ())
