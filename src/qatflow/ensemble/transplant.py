"""Moves a member's graphs into an ensemble: same operators, other positions of tensors, buffers and graphs."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from qatflow.artifacts import Array
from qatflow.ensemble.graph import Graph

CALLS = ("subgraph", "thenSubgraphIndex", "elseSubgraphIndex", "condSubgraphIndex", "bodySubgraphIndex",
         "initSubgraphIndex", "comparatorSubgraphIndex", "updateComputationSubgraphIndex",
         "decompositionSubgraphIndex", "branchSubgraphIndices")  # fmt: skip
"""Every option of an operator that names a graph."""
TENSOR_INDICES = ("scales", "zeroPoints")
"""Of blockwise quantization."""


def transplant(graph: Graph, name: str, tree: Any, entry: int) -> int:
    """Append a member's operators to the main graph, the graphs they call to the others; return its output tensor.

    Args:
        graph: What the member becomes a part of.
        name: Of the member; kept in the names of its tensors and variables.
        tree: The member's `schema.ModelT`, with one input and one output. Its parts are moved, not copied.
        entry: The tensor that it reads instead of its own input.
    """
    main, *called = tree.subgraphs
    codes = [graph.code(_builtin(code), code.version, code.customCode) for code in tree.operatorCodes]
    for tensor in (tensor for part in tree.subgraphs for tensor in part.tensors or []):
        _adapt_tensor(tensor, name, graph.buffer(tree.buffers[tensor.buffer].data))
    shift = len(graph.tree.subgraphs) - 1
    for operator in (operator for part in tree.subgraphs for operator in part.operators or []):
        _adapt_operator(operator, name, codes, shift)
    positions = _positions(graph, main, entry)
    for tensor in main.tensors:
        _move_blockwise(tensor, positions)
    for operator in main.operators:
        operator.inputs, operator.outputs, operator.intermediates = (
            _moved(indices, positions) for indices in (operator.inputs, operator.outputs, operator.intermediates)
        )
    graph.main.operators += main.operators
    graph.tree.subgraphs += called
    return int(positions[main.outputs[0]])


def _builtin(code: Any) -> int:
    """Old files keep the code in a field of one byte."""
    return int(max(code.builtinCode, code.deprecatedBuiltinCode))


def _positions(graph: Graph, main: Any, entry: int) -> list[int]:
    """Append all tensors but the input and return where each one is now."""
    return [entry if index == main.inputs[0] else graph.add(tensor) for index, tensor in enumerate(main.tensors)]


def _moved(indices: Array | None, positions: list[int]) -> Array | None:
    """Return the new positions; -1 stands for an input that is left out."""
    return None if indices is None else np.array([positions[i] if i >= 0 else i for i in indices], np.int32)


def _move_blockwise(tensor: Any, positions: list[int]) -> None:
    details = tensor.quantization and tensor.quantization.details
    for name in TENSOR_INDICES if details is not None else ():
        if getattr(details, name, -1) >= 0:
            setattr(details, name, positions[getattr(details, name)])


def _adapt_tensor(tensor: Any, name: str, buffer: int) -> None:
    tensor.buffer = buffer
    tensor.name = ";".join(_renamed(tensor.name.decode(errors="replace"), name)).encode()


def _renamed(names: str, member: str) -> Iterator[str]:
    """Put the member behind the model's name, where readers of layers expect no layer: `net/a/conv/Conv2D`."""
    for one in names.split(";"):
        head, slash, rest = one.partition("/")
        yield f"{head}/{member}/{rest}" if slash else f"{member}/{one}"


def _adapt_operator(operator: Any, name: str, codes: list[int], shift: int) -> None:
    operator.opcodeIndex = codes[operator.opcodeIndex]
    operator.debugMetadataIndex = -1  # metadata stay behind
    for options in (operator.builtinOptions, operator.builtinOptions2):
        for call in CALLS:
            _shift(options, call, shift)
        if getattr(options, "sharedName", None) is not None:  # a resource variable; members must not share theirs
            options.sharedName = name.encode() + b"/" + options.sharedName


def _shift(options: Any, call: str, shift: int) -> None:
    value = getattr(options, call, None)
    if isinstance(value, int) and value > 0:  # graph 0 is the main one, which nothing calls
        setattr(options, call, value + shift)
    elif isinstance(value, np.ndarray):
        setattr(options, call, value + np.int32(shift))
