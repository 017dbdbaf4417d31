"""A flatbuffer in the making: equal constants and equal kinds of operators are stored once."""

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from qatflow.artifacts import Array

NO_BUFFER = 0
"""By convention the first buffer is empty, for tensors that hold no constant."""
FLOAT32, INT32, INT64, BOOL = (getattr(schema.TensorType, name) for name in ("FLOAT32", "INT32", "INT64", "BOOL"))


class Graph:
    """One main graph, and the graphs that its control flow calls. Tensors are named by their position in the main one.

    Attributes:
        main: The `schema.SubGraphT` that a signature calls.
        tree: The `schema.ModelT` around it.
    """

    def __init__(self, description: str) -> None:
        self.main = schema.SubGraphT()
        self.main.name, self.main.tensors, self.main.operators = b"main", [], []
        self.tree = schema.ModelT()
        self.tree.version, self.tree.description = 3, description.encode()
        self.tree.subgraphs, self.tree.operatorCodes, self.tree.buffers = [self.main], [], [schema.BufferT()]
        self._buffers: dict[bytes, int] = {}
        self._codes: dict[tuple[int, Any, int], int] = {}

    def buffer(self, data: Array | None) -> int:
        """Return the buffer that holds these bytes, (n,) uint8; made if there is none yet."""
        if data is None:
            return NO_BUFFER
        key = data.tobytes()
        if key not in self._buffers:
            self._buffers[key] = len(self.tree.buffers)
            self.tree.buffers.append(schema.BufferT())
            self.tree.buffers[-1].data = data
        return self._buffers[key]

    def code(self, builtin: int, version: int, custom: Any = None) -> int:
        """Return the position of an operator code; made if there is none yet."""
        key = builtin, custom, version
        if key not in self._codes:
            self._codes[key] = len(self.tree.operatorCodes)
            made = schema.OperatorCodeT()
            made.builtinCode, made.version, made.customCode = builtin, version, custom
            made.deprecatedBuiltinCode = min(builtin, schema.BuiltinOperator.PLACEHOLDER_FOR_GREATER_OP_CODES)
            self.tree.operatorCodes.append(made)
        return self._codes[key]

    def add(self, tensor: Any) -> int:
        """Append a `schema.TensorT` and return its position."""
        self.main.tensors.append(tensor)
        return len(self.main.tensors) - 1

    def tensor(self, name: str, shape: Sequence[int], dtype: int = FLOAT32, *, batch: bool = True) -> int:
        """Append an empty tensor; with `batch` its first dimension can be resized."""
        made = schema.TensorT()
        made.name, made.type, made.hasRank = name.encode(), dtype, True
        made.shape = np.array(shape, np.int32)
        made.shapeSignature = np.array([-1, *shape[1:]], np.int32) if batch else None
        return self.add(made)

    def constant(self, name: str, value: Array) -> int:
        """Append a float32 or int32 constant."""
        made = self.tensor(name, value.shape, FLOAT32 if value.dtype == np.float32 else INT32, batch=False)
        self.main.tensors[made].buffer = self.buffer(np.frombuffer(value.tobytes(), np.uint8))
        return made

    def operator(self, name: str, inputs: Sequence[int], output: int, options: Any = None, version: int = 1) -> int:
        """Append a builtin operator such as `ADD` and return `output`; `options` is its schema object."""
        made = schema.OperatorT()
        made.opcodeIndex = self.code(getattr(schema.BuiltinOperator, name), version)
        made.inputs, made.outputs = np.array(inputs, np.int32), np.array([output], np.int32)
        if options is not None:
            made.builtinOptions = options
            made.builtinOptionsType = getattr(schema.BuiltinOptions, type(options).__name__.removesuffix("T"))
        self.main.operators.append(made)
        return output

    def like(self, tensor: int, name: str, dtype: int = FLOAT32) -> int:
        """Append an empty tensor of the shape of another one."""
        return self.tensor(name, self.main.tensors[tensor].shape, dtype)

    def sum(self, tensors: Sequence[int], name: str) -> int:
        """Append the sum of tensors of one shape, added from the first to the last."""
        return reduce(self._elementwise("ADD", schema.AddOptionsT, name), tensors)

    def scale(self, tensor: int, factor: np.float32, name: str) -> int:
        """Append a tensor times a constant."""
        by = self.constant(f"{name}/factor", np.array(factor, np.float32))
        return self._elementwise("MUL", schema.MulOptionsT, name)(tensor, by)

    def _elementwise(self, operator: str, options: Callable[[], Any], name: str) -> Callable[[int, int], int]:
        return lambda a, b: self.operator(operator, [a, b], self.like(a, f"{name}/{operator.lower()}"), options())
