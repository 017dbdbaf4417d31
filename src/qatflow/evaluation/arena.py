"""How much working memory TFLite Micro needs for a flatbuffer: an upper estimate without a device.

TFLite Micro keeps all in one arena: activations, which share bytes when they are not needed at the same time, and what
lives as long as the interpreter. The first are planned here as TFLM's GreedyMemoryPlanner does it (tensors from large
to small, each at the lowest offset that is free while it lives); the second is estimated from the sizes of its
structures on a 64-bit machine, which a 32-bit microcontroller stays below.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from qatflow.tflite.inspect import TYPES, WEIGHT_OPERATORS, WEIGHTS, operator_name, parse

ALIGNMENT = 16
BYTES = {"FLOAT32": 4, "FLOAT16": 2, "INT8": 1, "UINT8": 1, "INT16": 2, "INT32": 4, "INT64": 8, "BOOL": 1}
# Bytes that stay, as tflite-micro's RecordingMicroAllocator told of all golden models (tests/unit/evaluation).
FIXED, PER_TENSOR, PER_OPERATOR, PER_CHANNEL = 1024, 24, 64 + 96, 8


@dataclass(frozen=True)
class Arena:
    """Bytes of a model's arena.

    Attributes:
        activations: What is computed, input and output with it, planned.
        persistent: Structures that stay, estimated from above.
    """

    activations: int
    persistent: int

    @property
    def total(self) -> int:
        """Bytes to reserve."""
        return self.activations + self.persistent


@dataclass(frozen=True)
class Buffer:
    """Bytes needed from operator `first` to operator `last`, both included."""

    size: int
    first: int
    last: int


def estimate_arena(model: bytes) -> Arena:
    """Return the arena that a flatbuffer needs for one sample.

    Raises:
        ConversionError: If LiteRT cannot run the model.
    """
    tree = parse(model)
    graph = tree.subgraphs[0]
    names = [operator_name(tree, operator) for operator in graph.operators]
    channels = sum(_channels(graph, operator) for operator in graph.operators)
    persistent = FIXED + PER_TENSOR * len(graph.tensors) + PER_OPERATOR * len(names) + PER_CHANNEL * channels
    return Arena(plan([*_tensors(tree, graph), *_scratch(graph, names)]), persistent)


def plan(buffers: Iterable[Buffer]) -> int:
    """Return the bytes that hold all buffers when those that never live together may share."""
    placed: list[tuple[int, Buffer]] = []
    for buffer in sorted(buffers, key=lambda b: (-b.size, b.first)):
        placed.append((_lowest(buffer, placed), buffer))
    return max((offset + buffer.size for offset, buffer in placed), default=0)


def _lowest(buffer: Buffer, placed: Iterable[tuple[int, Buffer]]) -> int:
    """Return the lowest offset at which no buffer that lives at the same time is in the way."""
    offset = 0
    for start, other in sorted(placed, key=lambda entry: entry[0]):
        if other.last < buffer.first or buffer.last < other.first:
            continue
        if offset + buffer.size <= start:
            break
        offset = max(offset, start + other.size)
    return offset


def _tensors(tree: Any, graph: Any) -> Iterable[Buffer]:
    """Yield every tensor that is no constant, with the operators between which it lives."""
    last = len(graph.operators)
    uses: dict[int, list[int]] = {index: [0] for index in graph.inputs}
    for step, operator in enumerate(graph.operators):
        for index in (*operator.inputs, *operator.outputs):
            uses.setdefault(int(index), []).append(step)
    for index in graph.outputs:
        uses.setdefault(int(index), []).append(last)
    for index, steps in uses.items():
        if index >= 0 and tree.buffers[graph.tensors[index].buffer].data is None:
            yield Buffer(_size(graph.tensors[index]), min(steps), max(steps))


def _scratch(graph: Any, names: list[str]) -> Iterable[Buffer]:
    """Yield what operators need for themselves: 4-bit weights are unpacked to bytes before each use."""
    for step, (operator, name) in enumerate(zip(graph.operators, names, strict=True)):
        if name in WEIGHT_OPERATORS and TYPES[graph.tensors[operator.inputs[WEIGHTS]].type] == "INT4":
            yield Buffer(_aligned(_count(graph.tensors[operator.inputs[WEIGHTS]])), step, step)


def _channels(graph: Any, operator: Any) -> int:
    """Return how many scales an operator's weights have: each gets a multiplier and a shift."""
    if len(operator.inputs) <= WEIGHTS or operator.inputs[WEIGHTS] < 0:
        return 0
    quantization = graph.tensors[operator.inputs[WEIGHTS]].quantization
    return 0 if quantization is None or quantization.scale is None else len(quantization.scale)


def _count(tensor: Any) -> int:
    return int(np.prod(tensor.shape, dtype=np.int64))


def _size(tensor: Any) -> int:
    return _aligned(_count(tensor) * BYTES.get(TYPES[tensor.type], 8))


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT
