"""The Open Inference Protocol, version 2, over HTTP: JSON and binary tensors. One input, named `input`.

A model of named columns also takes one tensor for each column, in any order, as data frames are sent.

`FP32` inputs are in the data's own units, whatever the flatbuffer stores; the server scales and quantizes them. An
integer flatbuffer also takes its own type raw (`INT8`, say), already quantized with the scale in the model's metadata.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

import numpy as np
import orjson

from qatflow.artifacts import Array
from qatflow.serving import columns, tensors
from qatflow.serving.body import parse_json
from qatflow.serving.replies import RefusalError, Reply, json_reply, shown
from qatflow.serving.served import Answer, Floats, Question, ServedModel

HEADER_LENGTH = b"inference-header-content-length"
NUMBERS = {
    "FP32": "f4", "FP64": "f8", "INT8": "i1", "INT16": "i2", "INT32": "i4", "INT64": "i8",
    "UINT8": "u1", "UINT16": "u2", "UINT32": "u4", "UINT64": "u8",
}  # fmt: skip
"""Datatypes of a column. A feature's value is rounded to float32, as in any other request."""
DATATYPES = {"float32": "FP32", "int8": "INT8", "uint8": "UINT8", "int16": "INT16"}
MAX_ID = 256
OCTETS = (b"content-type", b"application/octet-stream")


def metadata(name: str, model: ServedModel) -> dict[str, Any]:
    """Return the model's metadata: names, datatypes and shapes, -1 for the batch."""
    manifest, shape = model.manifest, model.manifest.input.shape
    stored: dict[str, Any] = {}
    if manifest.input.dtype != "float32":
        raw = DATATYPES[manifest.input.dtype]
        stored = {"datatype": raw, "scale": manifest.input.scale, "zero_point": manifest.input.zero_point}
    outputs = [{"name": "scores", "datatype": "FP32", "shape": [-1, *manifest.scores_shape]}]
    if manifest.task == "classification":
        outputs.append({"name": "labels", "datatype": "BYTES", "shape": [-1]})
    return {
        "name": name,
        "versions": [model.version],
        "platform": "litert_" + manifest.kernels,
        "inputs": [{"name": "input", "datatype": "FP32", "shape": [-1, *shape]}],
        "outputs": outputs,
        "parameters": {
            "model_sha256": model.sha256,
            "task": manifest.task,
            "raw_input": stored,
            **({"columns": list(manifest.features)} if manifest.features else {}),
        },
    }


def parse(body: bytes, headers: Mapping[bytes, bytes], model: ServedModel, max_batch: int) -> Question:
    """Return the question in an inference request.

    Raises:
        RefusalError: 400 if it is not as the protocol and the model's metadata say, 413 for too many samples.
    """
    text, tail = _split(body, headers.get(HEADER_LENGTH))
    request = _object(text)
    if model.manifest.features and _names(request) != ["input"]:
        binary, wanted = _outputs(request, model)
        return Question(_columns(request, tail, model, max_batch), None, _id(request.get("id", "")), binary, wanted)
    tensor = _only_input(request)
    shape = tensors.claimed_shape(tensor.get("shape"), model.manifest.input.shape, max_batch)
    dtype = _dtype(tensor.get("datatype"), model)
    values = _values(tensor, tail, shape, dtype)
    binary, wanted = _outputs(request, model)
    name = _id(request.get("id", ""))
    if dtype == np.float32:
        return Question(tensors.finite(values), None, name, binary, wanted)
    return Question(None, values, name, binary, wanted)


def render(name: str, question: Question, answer: Answer, model: ServedModel, request_id: str) -> Reply:
    """Return the reply: JSON, with the outputs that the client wants as bytes behind it."""
    tensors_out: list[tuple[str, str, list[int], Any]] = [
        ("scores", "FP32", list(answer.scores.shape), answer.scores),
    ]
    if answer.labels is not None:
        labels = model.manifest.labels
        named = [labels[index] for index in answer.labels.tolist()]
        tensors_out.append(("labels", "BYTES", [len(named)], named))
    outputs, tail = [], b""
    for output, datatype, shape, values in tensors_out:
        if question.wanted is not None and output not in question.wanted:
            continue
        entry: dict[str, Any] = {"name": output, "datatype": datatype, "shape": shape}
        if output in question.binary:
            content = _bytes(values)
            entry["parameters"] = {"binary_data_size": len(content)}
            tail += content
        else:
            entry["data"] = values if datatype == "BYTES" else values.reshape(-1)
        outputs.append(entry)
    body = {
        "model_name": name,
        "model_version": model.version,
        "id": question.id or request_id,
        "parameters": {"model_sha256": model.sha256},
        "outputs": outputs,
    }
    if not tail:
        return json_reply(body)
    head = orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY)
    return Reply(200, head + tail, (OCTETS, (HEADER_LENGTH, b"%d" % len(head))))


def _split(body: bytes, length: bytes | None) -> tuple[bytes, bytes]:
    """Return the JSON and the binary tensors behind it."""
    if length is None:
        return body, b""
    if not length.isdigit() or len(length) > 12 or not 0 < int(length) <= len(body):
        raise RefusalError(400, f"inference-header-content-length must be a number from 1 to {len(body)}, the body's")
    return body[: int(length)], body[int(length) :]


def _object(text: bytes) -> dict[str, Any]:
    found = parse_json(text)
    if not isinstance(found, dict):
        raise RefusalError(400, "the body is no JSON object")
    return found


def _names(request: Mapping[str, Any]) -> list[Any]:
    inputs = request.get("inputs")
    return [one.get("name") for one in inputs if isinstance(one, dict)] if isinstance(inputs, list) else []


def _columns(request: Mapping[str, Any], tail: bytes, model: ServedModel, max_batch: int) -> Floats:
    """Return the samples of a request with a tensor (n,) or (n, 1) for each column; binary ones follow in their order.

    Raises:
        RefusalError: 400 if they are not the model's columns, or no such tensors; 413 for too many samples.
    """
    inputs = request["inputs"]
    if not all(isinstance(one, dict) for one in inputs):
        raise RefusalError(400, "inputs must be a list of tensors")
    sizes = [_parameters(one).get("binary_data_size", 0) for one in inputs]
    if not all(type(size) is int and size >= 0 for size in sizes) or sum(sizes) != len(tail):
        raise RefusalError(400, f"binary_data_size of all inputs is {shown(sizes)}; {len(tail)} bytes follow the JSON")
    values, start = [], 0
    for one, size in zip(inputs, sizes, strict=True):
        values.append(_column(one, tail[start : start + size], max_batch))
        start += size
    if len(set(map(len, values))) != 1:
        raise RefusalError(400, f"columns have {shown(sorted(set(map(len, values))))} rows; expected as many in each")
    rows = tensors.finite(np.stack(values, axis=1))
    return columns.taken([one.get("name") for one in inputs], rows, model.manifest, max_batch)


def _column(tensor: Mapping[str, Any], content: bytes, max_batch: int) -> Array:
    claim, datatype = tensor.get("shape"), tensor.get("datatype")
    rest = (1,) if isinstance(claim, list) and len(claim) > 1 else ()
    shape = tensors.claimed_shape(claim, rest, max_batch)
    if datatype not in NUMBERS:
        raise RefusalError(400, f"datatype of a column is {shown(datatype)}; expected one of {', '.join(NUMBERS)}")
    dtype = np.dtype(NUMBERS[datatype]).newbyteorder("<")
    if "binary_data_size" not in _parameters(tensor):
        return tensors.shaped(tensors.numbers(tensor.get("data")), shape).reshape(-1)
    if len(content) != prod(shape) * dtype.itemsize:
        raise RefusalError(400, f"shape and datatype need {prod(shape) * dtype.itemsize} bytes; {len(content)} came")
    return np.frombuffer(content, dtype)


def _only_input(request: Mapping[str, Any]) -> dict[str, Any]:
    inputs = request.get("inputs")
    if not isinstance(inputs, list) or len(inputs) != 1 or not isinstance(inputs[0], dict):
        raise RefusalError(400, "inputs must be a list of one tensor, named input")
    if inputs[0].get("name") != "input":
        raise RefusalError(400, f"no input is named {shown(inputs[0].get('name'))}; the model's one input is input")
    tensor: dict[str, Any] = inputs[0]
    return tensor


def _dtype(claim: Any, model: ServedModel) -> Any:
    if claim == "FP32":
        return np.float32
    stored = model.manifest.input.dtype
    if stored != "float32" and claim == DATATYPES[stored]:
        return np.dtype(stored)
    known = "FP32" if stored == "float32" else f"FP32 (the data's own units) or {DATATYPES[stored]} (quantized)"
    raise RefusalError(400, f"datatype is {shown(claim)}; expected {known}")


def _values(tensor: Mapping[str, Any], tail: bytes, shape: tuple[int, ...], dtype: Any) -> Array:
    size = _parameters(tensor).get("binary_data_size")
    if size is None:
        if tail:
            raise RefusalError(400, "bytes follow the JSON, but no input has a binary_data_size")
        return _typed(tensors.shaped(tensors.numbers(tensor.get("data")), shape), dtype)
    needed = prod(shape) * np.dtype(dtype).itemsize
    if type(size) is not int or size != needed or len(tail) != needed:
        raise RefusalError(400, f"shape and datatype need {needed} bytes; {shown(size)} are declared, {len(tail)} came")
    return np.frombuffer(tail, np.dtype(dtype).newbyteorder("<")).astype(dtype, copy=False).reshape(shape)


def _typed(values: Array, dtype: Any) -> Array:
    """Return JSON numbers in an integer type that holds them exactly; floats are left to `finite`."""
    if dtype == np.float32:
        return values
    limits = np.iinfo(dtype)
    if values.dtype.kind == "f" or values.min() < limits.min or values.max() > limits.max:
        raise RefusalError(400, f"data of {DATATYPES[limits.dtype.name]} must be integers {limits.min} to {limits.max}")
    return values.astype(dtype)


def _outputs(request: Mapping[str, Any], model: ServedModel) -> tuple[frozenset[str], tuple[str, ...] | None]:
    """Return which outputs go as bytes, and which are wanted at all."""
    known = ("scores", "labels") if model.manifest.task == "classification" else ("scores",)
    all_binary = _parameters(request).get("binary_data_output") is True
    asked = request.get("outputs")
    if not asked:
        return frozenset(known if all_binary else ()), None
    if not isinstance(asked, list) or not all(isinstance(one, dict) and one.get("name") in known for one in asked):
        raise RefusalError(400, f"outputs must be a list of tensors with names of {', '.join(known)}")
    binary = {one["name"] for one in asked if _parameters(one).get("binary_data", all_binary) is True}
    return frozenset(binary), tuple(one["name"] for one in asked)


def _parameters(of: Mapping[str, Any]) -> Mapping[str, Any]:
    found = of.get("parameters") or {}
    if not isinstance(found, dict):
        raise RefusalError(400, "parameters must be an object")
    return found


def _id(claim: Any) -> str:
    if not isinstance(claim, str) or len(claim) > MAX_ID:
        raise RefusalError(400, f"id must be text of at most {MAX_ID} characters")
    return claim


def _bytes(values: Any) -> bytes:
    """Return a tensor as the protocol's bytes, little-endian; each text has its length before it."""
    if isinstance(values, list):
        texts = [text.encode() for text in values]
        return b"".join(len(text).to_bytes(4, "little") + text for text in texts)
    return np.ascontiguousarray(values, "<f4").tobytes()
