"""Bundles that are wrong on purpose: as damage leaves them, and as one who also corrects the manifest would."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import flatbuffers
from ai_edge_litert import schema_py_generated as schema

from qatflow import artifacts
from qatflow.release.manifest import File

Tree = Any


def copied(bundle: Path, to: Path, model: bytes | None = None) -> Path:
    """Copy a bundle to the new folder `to`, with another flatbuffer that its manifest does not know of."""
    shutil.copytree(bundle, to)
    if model is not None:
        (to / "model.tflite").write_bytes(model)
    return to


def relisted(bundle: Path, to: Path, model: bytes | None = None, **manifest: Any) -> Path:
    """Copy a bundle with another flatbuffer or manifest, such that every digest is right."""
    copied(bundle, to, model)
    content = artifacts.read_json(to / "manifest.json") | manifest
    for name in content["files"]:
        file = to / name
        content["files"][name] = File(sha256=artifacts.sha256_file(file), size_bytes=file.stat().st_size).model_dump()
    artifacts.write_json(to / "manifest.json", content)
    return to


def rewritten(model: bytes, change: Callable[[Tree], None]) -> bytes:
    """Return the flatbuffer after `change` altered its tree."""
    tree = schema.ModelT.InitFromPackedBuf(model, 0)
    change(tree)
    builder = flatbuffers.Builder(len(model))
    builder.Finish(tree.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def with_custom_operator(name: bytes) -> Callable[[Tree], None]:
    """Make the first operator one that no device knows."""

    def change(tree: Tree) -> None:
        code = tree.operatorCodes[tree.subgraphs[0].operators[0].opcodeIndex]
        code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.CUSTOM
        code.customCode = name

    return change


def with_input(**fields: Any) -> Callable[[Tree], None]:
    """Change the input tensor's shape, type or quantization."""

    def change(tree: Tree) -> None:
        graph = tree.subgraphs[0]
        tensor = graph.tensors[graph.inputs[0]]
        for name, value in fields.items():
            setattr(tensor if hasattr(tensor, name) else tensor.quantization, name, value)

    return change
