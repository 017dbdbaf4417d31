"""What makes a graph a whole model: its output, its signature, and the runtime it needs."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from qatflow.ensemble.graph import Graph

NAME = b"ensemble"
SIGNATURE = b"serving_default"
RUNTIME = b"min_runtime_version"


def finish(graph: Graph, combined: int, trees: Sequence[Any]) -> None:
    """Name the output, and give the graph a signature and the newest runtime version that a member needs.

    Args:
        graph: With its input in place.
        combined: The tensor that becomes its output.
        trees: The members as `schema.ModelT`; the first one's signature names the input.
    """
    graph.main.tensors[combined].name = NAME
    graph.main.outputs = np.array([combined], np.int32)
    signature = schema.SignatureDefT()
    signature.signatureKey, signature.subgraphIndex = SIGNATURE, 0
    names = (_signed(trees[0], "inputs") or b"input", NAME)
    signature.inputs, signature.outputs = (
        [_tensor_map(name, int(tensor))] for name, tensor in zip(names, (graph.main.inputs[0], combined), strict=True)
    )
    graph.tree.signatureDefs = [signature]
    version = max((found for tree in trees if (found := _runtime(tree)) is not None), key=_numbers, default=None)
    if version is not None:
        entry = schema.MetadataT()
        entry.name, entry.buffer = RUNTIME, graph.buffer(np.frombuffer(version, np.uint8))
        graph.tree.metadata = [entry]


def _signed(tree: Any, role: str) -> bytes | None:
    """Return the name that a member's signature gives to its input."""
    named = [entry for signature in tree.signatureDefs or [] for entry in getattr(signature, role) or []]
    return bytes(named[0].name) if named else None


def _tensor_map(name: bytes, tensor: int) -> Any:
    made = schema.TensorMapT()
    made.name, made.tensorIndex = name, tensor
    return made


def _runtime(tree: Any) -> bytes | None:
    """Return the oldest runtime that a member says it needs, such as b"1.14.0", padded with zeros."""
    found = (tree.buffers[entry.buffer].data for entry in tree.metadata or [] if entry.name == RUNTIME)
    return next((data.tobytes() for data in found if data is not None), None)


def _numbers(version: bytes) -> list[int]:
    return [int(part) for part in version.rstrip(b"\0").split(b".") if part.isdigit()]
