"""Takes out the float tensors that TFLite's converter leaves between two 8-bit grids for no reason.

Where an operator without a fake-quant of its own reads a fake-quantized tensor, the converter may measure that tensor
once more, get a scale that differs, be it in the last bit, and go from one grid to the other through DEQUANTIZE, a
float tensor of four times the bytes, and QUANTIZE. QUANTIZE alone does the same in integers.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from qatflow.tflite.inspect import TYPES, operator_name
from qatflow.tflite.rewrite import keep_tensors, pack, parse

NEAR = 1e-6
"""Scales that differ by no more, relatively, are one."""


def without_pairs(model: bytes) -> bytes:
    """Return the flatbuffer without DEQUANTIZEs that only QUANTIZEs read; as it is if it has none.

    Raises:
        ConversionError: If LiteRT cannot run the model.
    """
    tree = parse(model)
    found = False
    for number, graph in enumerate(tree.subgraphs):
        while pair := next(_pairs(tree, graph), None):
            dropped = _join(graph, *pair)
            keep_tensors(tree, number, [index for index in range(len(graph.tensors)) if index not in dropped])
            found = True
    return pack(tree) if found else model


def _pairs(tree: Any, graph: Any) -> Iterator[tuple[Any, list[Any]]]:
    for first in graph.operators:
        if operator_name(tree, first) == "DEQUANTIZE" and TYPES[graph.tensors[first.inputs[0]].type] == "INT8":
            readers = [op for op in graph.operators if first.outputs[0] in op.inputs]
            kinds = {operator_name(tree, op) for op in readers}
            if kinds == {"QUANTIZE"} and first.outputs[0] not in graph.outputs:
                yield first, readers


def _join(graph: Any, first: Any, readers: list[Any]) -> list[int]:
    """Let the readers read the integers; return the tensors that nobody needs any more."""
    source, between = first.inputs[0], first.outputs[0]
    gone, dropped = [first], [between]
    for reader in readers:
        result = reader.outputs[0]
        if _same_grid(graph.tensors[source], graph.tensors[result]) and result not in graph.outputs:
            for op in graph.operators:
                op.inputs = np.where(op.inputs == result, source, op.inputs)
            gone.append(reader)
            dropped.append(result)
        else:
            reader.inputs = np.asarray([source], np.int32)
    graph.operators = [op for op in graph.operators if not any(op is one for one in gone)]
    return dropped


def _same_grid(a: Any, b: Any) -> bool:
    one, other = a.quantization, b.quantization
    near = np.allclose(one.scale, other.scale, rtol=NEAR, atol=0)
    return bool(a.type == b.type and near and np.array_equal(one.zeroPoint, other.zeroPoint))
