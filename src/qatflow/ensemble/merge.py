"""Merges flatbuffers into one: one input, the members' graphs one behind the other, their outputs combined."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from qatflow.ensemble.combine import Combiner
from qatflow.ensemble.finish import finish
from qatflow.ensemble.graph import Graph
from qatflow.ensemble.transplant import transplant
from qatflow.errors import ModelError
from qatflow.tflite.rewrite import pack, parse
from qatflow.tflite.session import Session, TensorSpec

VERSIONS: Mapping[str, Mapping[str, int]] = {
    "QUANTIZE": {"int8": 1, "uint8": 1, "int16": 2},
    "DEQUANTIZE": {"int8": 2, "uint8": 1, "int16": 3},
}
"""First version of the operator that knows the type (tflite/tools/versioning/op_version.cc)."""
Kind = tuple[str, float, int]
"""dtype, scale and zero point."""


def merge(members: Mapping[str, bytes], combiner: Combiner, weights: Sequence[float]) -> bytes:
    """Return one flatbuffer that runs all members on one input and combines their outputs, given as float32.

    Where all members take the same kind of tensor, so does the ensemble. Where dtype, scale or zero point differ, it
    takes float32 and each member gets a QUANTIZE of its own: it sees what it would see alone. Equal arguments give
    equal bytes.

    Args:
        members: Name -> flatbuffer, two at least, in the order in which their outputs are added up.
        combiner: How the outputs become one.
        weights: One for each member.

    Raises:
        ModelError: If there are fewer than two members, or one takes or gives another shape than the first.
        ConversionError: If LiteRT refuses a member, or what came out.
    """
    specs = {name: _specs(model) for name, model in members.items()}
    check_shapes(specs)
    trees = [parse(model) for model in members.values()]
    graph = Graph("QATFlow ensemble")
    entries = _entries(graph, trees, [source for source, _ in specs.values()])
    outputs = []
    for name, tree, entry, (_, sink) in zip(members, trees, entries, specs.values(), strict=True):
        outputs.append(_dequantized(graph, transplant(graph, name, tree, entry), sink, name))
    combined = combiner.emit(graph, outputs, [np.float32(weight) for weight in weights])
    finish(graph, combined, trees)
    merged = pack(graph.tree)
    Session(merged)
    return merged


def check_shapes(specs: Mapping[str, tuple[TensorSpec, TensorSpec]]) -> None:
    """Check that members can stand side by side.

    Args:
        specs: Name -> input and output.

    Raises:
        ModelError: If there are fewer than two, or one takes or gives another shape than the first.
    """
    if len(specs) < 2:
        raise ModelError(f"An ensemble needs two members at least; given: {', '.join(specs) or 'none'}")
    first, *others = specs
    for role, what in enumerate(("takes inputs", "gives outputs")):
        wanted = specs[first][role].shape
        for name in others:
            if (found := specs[name][role].shape) != wanted:
                raise ModelError(
                    f"Members of an ensemble must be alike, but {name} {what} of shape {list(found)}, "
                    f"{first} of {list(wanted)}"
                )


def _specs(model: bytes) -> tuple[TensorSpec, TensorSpec]:
    session = Session(model)
    return session.input, session.output


def _kind(spec: TensorSpec) -> Kind:
    return spec.dtype, spec.scale, spec.zero_point


def _entries(graph: Graph, trees: Sequence[Any], sources: Sequence[TensorSpec]) -> list[int]:
    """Make the ensemble's input and return for each member the tensor that it reads instead of its own input."""
    kinds = [_kind(source) for source in sources]
    tensors = [tree.subgraphs[0].tensors[tree.subgraphs[0].inputs[0]] for tree in trees]
    made: dict[Kind, int] = {}
    if len(set(kinds)) == 1:
        shared = made[kinds[0]] = graph.add(_input_like(tensors[0]))
    else:
        shared = graph.tensor("input", tensors[0].shape)
        made["float32", 0.0, 0] = shared
    graph.main.inputs = np.array([shared], np.int32)
    for kind, tensor in zip(kinds, tensors, strict=True):
        if kind not in made:
            made[kind] = _operator(graph, "QUANTIZE", shared, graph.add(_input_like(tensor)), kind[0])
    return [made[kind] for kind in kinds]


def _input_like(tensor: Any) -> Any:
    made = schema.TensorT()
    made.name, made.type, made.quantization, made.hasRank = b"input", tensor.type, tensor.quantization, True
    made.shape, made.shapeSignature = tensor.shape, np.array([-1, *tensor.shape[1:]], np.int32)
    return made


def _dequantized(graph: Graph, tensor: int, sink: TensorSpec, name: str) -> int:
    if sink.dtype == "float32":
        return tensor
    return _operator(graph, "DEQUANTIZE", tensor, graph.like(tensor, f"{name}/output"), sink.dtype)


def _operator(graph: Graph, name: str, source: int, sink: int, dtype: str) -> int:
    options = {"QUANTIZE": schema.QuantizeOptionsT, "DEQUANTIZE": schema.DequantizeOptionsT}[name]()
    return graph.operator(name, [source], sink, options, VERSIONS[name][dtype])
