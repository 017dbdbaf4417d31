"""Records: what is encoded is decoded; whatever else arrives is refused with a reason."""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qatflow.errors import DataError, OtherSchemaError, PoisonError
from qatflow.online.records import DTYPES, MAGIC, MAX_BYTES, LateLabel, Sample, decode, encode

GOOD: dict[str, Any] = {"id": "a", "time": 1.5, "label": 3, "dtype": "float32", "shape": [2]}
TENSOR = np.array([1.0, -2.0], "<f4").tobytes()


def packed(header: object, tensor: bytes = TENSOR, version: int = 1, length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<4sHHI", MAGIC, version, 0, len(text) if length is None else length) + text + tensor


@pytest.mark.parametrize("dtype", sorted(DTYPES))
@pytest.mark.parametrize("label", [None, 3, 0.25, "cat", (1.0, -2.0)])
def test_a_sample_comes_back_in_float32(dtype: str, label: Any):
    x = np.arange(12).reshape(2, 3, 2).astype(dtype)

    found = decode(encode(Sample("s-1", 1_700_000_000.25, x, label)), (2, 3, 2))

    assert isinstance(found, Sample)
    assert (found.id, found.time, found.label, found.x.dtype) == ("s-1", 1_700_000_000.25, label, np.float32)
    np.testing.assert_array_equal(found.x, x)


def test_other_dtypes_and_orders_travel_as_float32():
    x = np.asfortranarray(np.arange(6, dtype=np.float64).reshape(2, 3) / 3).astype(">f8")

    found = decode(encode(Sample("s", 0, x)))

    assert isinstance(found, Sample)
    np.testing.assert_array_equal(found.x, x.astype(np.float32))


def test_a_label_comes_back():
    assert decode(encode(LateLabel("s", 5, "cat"))) == LateLabel("s", 5.0, "cat")


@pytest.mark.parametrize(
    "record",
    [
        Sample("", 0, np.zeros(1)),
        Sample("x" * 129, 0, np.zeros(1)),
        Sample("a\nb", 0, np.zeros(1)),
        Sample("a", float("nan"), np.zeros(1)),
        Sample("a", 0, np.array([np.inf])),
        Sample("a", 0, np.zeros((0, 3))),
        Sample("a", 0, np.zeros(1), float("nan")),
        Sample("a", 0, np.zeros(1), (1.0, float("inf"))),
        LateLabel("a", 0, ()),
    ],
)
def test_what_would_be_refused_is_not_encoded(record: Sample | LateLabel):
    with pytest.raises(DataError, match="cannot be put into a stream"):
        encode(record)


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "does not begin as a record"),
        (b'{"id": 1}', "does not begin as a record"),
        (bytes(MAX_BYTES + 1), "at most"),
        (packed(GOOD, length=4097), "header claims 4097 bytes"),
        (packed(GOOD, b"", length=2000), "header claims 2000 bytes"),
        (packed(b"{not JSON"), "not JSON"),
        (packed(b"[" * 2000), "not JSON"),
        (packed(b"\xff\xfe"), "not JSON"),
        (packed([1]), "no JSON object"),
        (packed(GOOD | {"more": 1}), "keys"),
        (packed({"id": "a"}), "keys"),
        (packed(GOOD | {"id": 7}), "id is 7"),
        (packed(GOOD | {"id": "a" * 129}), "id is"),
        (packed(GOOD | {"id": "a\u0000"}), "id is"),
        (packed(GOOD | {"time": "now"}), "time is 'now'"),
        (packed(GOOD | {"time": 1e300}), "time is 1e\\+300"),
        (packed(GOOD | {"time": True}), "time is True"),
        (packed(b'{"id":"a","time":NaN,"label":1}', b""), "not JSON"),
        (packed(GOOD | {"label": {"a": 1}}), "label is"),
        (packed(GOOD | {"label": True}), "label is True"),
        (packed(GOOD | {"label": ["a"]}), "label is"),
        (packed(GOOD | {"label": 10**30}), "label is"),
        (packed({"id": "a", "time": 0, "label": None}, b""), "must have a label"),
        (packed(GOOD | {"dtype": "object"}), "dtype is 'object'; expected one of float32"),
        (packed(GOOD | {"dtype": ["float32"]}), "dtype is"),
        (packed(GOOD | {"shape": [3]}), r"shape is \[3\]; expected \[2\]"),
        (packed(GOOD | {"shape": [-2]}), "shape is"),
        (packed(GOOD | {"shape": [2.0]}), "shape is"),
        (packed(GOOD | {"shape": 2}), "shape is 2"),
        (packed(GOOD | {"shape": [True, 2]}), "shape is"),
        (packed(GOOD, TENSOR + b"\0"), "9 bytes follow"),
        (packed(GOOD, TENSOR[:-1]), "7 bytes follow"),
        (packed(GOOD, np.array([0, np.nan], "<f4").tobytes()), "not finite"),
    ],
)
def test_poison_is_named(payload: bytes, reason: str):
    with pytest.raises(PoisonError, match=reason):
        decode(payload, (2,))


def test_shapes_that_claim_the_moon_allocate_nothing():
    for shape in ([2**62, 2**62], [10**9] * 8, [1] * 9):
        with pytest.raises(PoisonError, match="shape"):
            decode(packed(GOOD | {"shape": shape}))


def test_a_reason_is_short_whatever_was_sent():
    with pytest.raises(PoisonError) as error:
        decode(packed(GOOD | {"dtype": "x" * 3000}))
    assert len(str(error.value)) < 250


def test_a_stream_of_another_schema_is_no_poison():
    with pytest.raises(OtherSchemaError, match="schema 2; this version of QATFlow reads 1"):
        decode(packed(GOOD, version=2))


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_any_damage_is_refused_or_a_record(data: st.DataObject):
    payload = bytearray(encode(Sample("some id", 12.5, np.arange(4, dtype=np.float32), 1)))
    for place in data.draw(st.lists(st.integers(0, len(payload) - 1), max_size=4)):
        payload[place] = data.draw(st.integers(0, 255))
    payload = payload[: data.draw(st.integers(0, len(payload)))]

    try:
        record = decode(bytes(payload), (4,))
    except (PoisonError, OtherSchemaError):
        return
    assert isinstance(record, LateLabel) or np.isfinite(record.x).all()
