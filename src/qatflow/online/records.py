"""What a record of an online stream holds: a sample, or a label that came later. All of it is checked when it is read.

A payload is: magic `QFR` and a newline, version (uint16), two zero bytes, length of the header (uint32), the header
(JSON), and for a sample the values of its tensor, C order, little-endian. The header has `id`, `time` (Unix seconds of
the event), `label`, and for a sample `dtype` and `shape`.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson

from qatflow.artifacts import Array
from qatflow.errors import DataError, OtherSchemaError, PoisonError

VERSION = 1
MAGIC = b"QFR\n"
MAX_BYTES = 16 << 20
MAX_HEADER_BYTES = 4096
MAX_ID, MAX_LABEL, MAX_RANK = 128, 256, 8
MAX_TIME_S = 1e11
DTYPES = {name: np.dtype(name).newbyteorder("<") for name in ("float32", "uint8", "int8", "uint16", "int16", "int32")}
_HEAD = struct.Struct("<4sHHI")
_SAMPLE = frozenset({"id", "time", "label", "dtype", "shape"})
_LABEL = frozenset({"id", "time", "label"})

Label = int | float | str | tuple[float, ...]
"""A class by index or name, or the target of a regression."""


@dataclass(frozen=True, eq=False)
class Sample:
    """One input, perhaps with its label.

    Attributes:
        id: Its name; a label that comes later bears the same.
        time: Unix seconds of the event, by its maker's clock.
        x: (*input shape) in the data's own units; float32 once decoded.
        label: None if it is not known yet.
    """

    id: str
    time: float
    x: Array
    label: Label | None = None


@dataclass(frozen=True)
class LateLabel:
    """The label of a sample that is another record.

    Attributes:
        id: Of the sample.
        time: Unix seconds at which the label was known.
    """

    id: str
    time: float
    label: Label


def encode(record: Sample | LateLabel) -> bytes:
    """Return a record's payload.

    Raises:
        DataError: If `decode` would refuse it.
    """
    try:
        payload = _packed(record)
        decode(payload)
    except PoisonError as error:
        raise DataError(f"Record '{record.id[:MAX_ID]}' cannot be put into a stream: {error}") from None
    return payload


def _packed(record: Sample | LateLabel) -> bytes:
    header: dict[str, Any] = {"id": record.id, "time": record.time, "label": record.label}
    content = b""
    if isinstance(record, Sample):
        x = np.asarray(record.x)
        if x.dtype.name not in DTYPES:
            x = x.astype(np.float32)
        header |= {"dtype": x.dtype.name, "shape": x.shape}
        content = x.astype(DTYPES[x.dtype.name], copy=False).tobytes()
    if record.label is not None:  # JSON has no infinity; it would be written as no label
        header["label"] = _label(list(record.label) if isinstance(record.label, tuple) else record.label)
    text = orjson.dumps(header, option=orjson.OPT_SERIALIZE_NUMPY)
    return _HEAD.pack(MAGIC, VERSION, 0, len(text)) + text + content


def decode(payload: bytes, shape: tuple[int, ...] | None = None) -> Sample | LateLabel:
    """Return the record of a payload.

    Args:
        payload: From anywhere.
        shape: That a sample must have; None for any.

    Raises:
        PoisonError: If it cannot be used; the text says why.
        OtherSchemaError: If it is a record of another version, so that the whole stream is not for this program.
    """
    header, start = _header(payload)
    if header.keys() == _LABEL:
        if header["label"] is None:
            raise PoisonError("a record without a tensor must have a label")
        return LateLabel(_id(header), _time(header), _label(header["label"]))
    if header.keys() != _SAMPLE:
        raise PoisonError(f"its header has the keys {_shown(sorted(header))}; expected {_shown(sorted(_SAMPLE))}")
    label = None if header["label"] is None else _label(header["label"])
    return Sample(_id(header), _time(header), _tensor(payload, start, header, shape), label)


def _header(payload: bytes) -> tuple[Mapping[str, Any], int]:
    if len(payload) > MAX_BYTES:
        raise PoisonError(f"it has {len(payload)} bytes; at most {MAX_BYTES} are taken")
    if len(payload) < _HEAD.size or not payload.startswith(MAGIC):
        raise PoisonError(f"it does not begin as a record of QATFlow, but with {payload[:8]!r}")
    _, version, _, length = _HEAD.unpack_from(payload)
    if version != VERSION:
        raise OtherSchemaError(f"The stream's records have schema {version}; this version of QATFlow reads {VERSION}")
    start = _HEAD.size + length
    if length > MAX_HEADER_BYTES or start > len(payload):
        raise PoisonError(f"its header claims {length} bytes; at most {MAX_HEADER_BYTES}, and not more than there are")
    try:
        header = orjson.loads(payload[_HEAD.size : start])  # of bounded depth, since of bounded length
    except orjson.JSONDecodeError as error:
        raise PoisonError(f"its header is not JSON: {error}") from None
    if not isinstance(header, dict):
        raise PoisonError("its header is no JSON object")
    return header, start


def _id(header: Mapping[str, Any]) -> str:
    name = header["id"]
    if not isinstance(name, str) or not 0 < len(name) <= MAX_ID or not name.isprintable():
        raise PoisonError(f"its id is {_shown(name)}; expected 1 to {MAX_ID} printable characters")
    return name


def _time(header: Mapping[str, Any]) -> float:
    value = header["time"]
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= MAX_TIME_S:
        raise PoisonError(f"its time is {_shown(value)}; expected Unix seconds")
    return float(value)


def _label(value: Any) -> Label:
    if isinstance(value, str) and 0 < len(value) <= MAX_LABEL:
        return value
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1 << 53:
        return value
    if (
        isinstance(value, list)
        and value
        and all(type(number) in {int, float} and abs(number) < 1e300 for number in value)
    ):
        return tuple(float(number) for number in value)
    raise PoisonError(f"its label is {_shown(value)}; expected a number, a name or numbers")


def _tensor(payload: bytes, start: int, header: Mapping[str, Any], expected: tuple[int, ...] | None) -> Array:
    dtype, shape = DTYPES.get(header["dtype"]) if isinstance(header["dtype"], str) else None, header["shape"]
    if dtype is None:
        raise PoisonError(f"its dtype is {_shown(header['dtype'])}; expected one of {', '.join(DTYPES)}")
    whole = isinstance(shape, list) and len(shape) <= MAX_RANK and all(type(side) is int and side > 0 for side in shape)
    if not whole or (expected is not None and tuple(shape) != expected):
        raise PoisonError(f"its shape is {_shown(shape)}; expected {list(expected) if expected else 'positive sides'}")
    if math.prod(shape) * dtype.itemsize != len(payload) - start:
        raise PoisonError(f"{len(payload) - start} bytes follow its header; shape {shape} {dtype.name} takes others")
    x = np.frombuffer(payload, dtype, offset=start).reshape(shape).astype(np.float32)
    if not np.isfinite(x).all():
        raise PoisonError("its tensor holds values that are not finite")
    return x


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:79] + "…"
