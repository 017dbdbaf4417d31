import json

import numpy as np
import pytest

from qatflow.data.preprocessing import Preprocessing
from qatflow.errors import OtherSchemaError
from qatflow.online.intake import Intake
from qatflow.online.join import Join
from qatflow.online.newcomers import Newcomers
from qatflow.online.records import LateLabel, Sample, encode


def intake():
    return Intake(Join((2,), 5), (2,), ("a", "b"), Preprocessing((0.5,), (1.0,)))


def sample(number, label=None):
    return encode(Sample(f"s{number}", float(number), np.full(2, number, np.float32), label))


def test_batches_come_preprocessed_in_the_order_in_which_labels_came():
    found = intake()
    for payload in (sample(0), sample(1, "b"), encode(LateLabel("s0", 2.0, 0)), sample(2, 1)):
        assert found.take(payload) is None
    x, labels = found.batch(3)
    assert x.tolist() == [[1.5, 1.5], [1.0, 1.0], [2.0, 2.0]]
    assert (x.dtype, labels.tolist()) == (np.float32, [1, 0, 1])
    assert found.batch(1) is None


@pytest.mark.parametrize(
    ("payload", "says"),
    [
        (b"junk", "does not begin as a record"),
        (encode(Sample("s", 0.0, np.zeros(3, np.float32))), "shape"),
        (encode(Sample("s", 0.0, np.zeros(2, np.float32), "c")), "none of the model's 2 classes"),
        (encode(Sample("s", 0.0, np.zeros(2, np.float32), 2)), "none of the model's 2 classes"),
        (encode(Sample("s", 0.0, np.zeros(2, np.float32), 0.5)), "none of the model's 2 classes"),
        (encode(LateLabel("s", 0.0, -1)), "none of the model's 2 classes"),
    ],
)
def test_poison_is_named_counted_and_left_out(payload, says):
    found = intake()
    assert says in found.take(payload)
    assert found.counts["poison"] == 1
    assert found.take(sample(1, "a")) is None
    assert found.batch(1)[1].tolist() == [0]


def test_a_stream_of_another_schema_is_no_poison():
    payload = bytearray(sample(1))
    payload[4] = 9
    with pytest.raises(OtherSchemaError):
        intake().take(bytes(payload))


def test_goes_on_from_its_state():
    payloads = [sample(n, "ab"[n % 2] if n % 3 else None) for n in range(20)]
    payloads += [encode(LateLabel(f"s{n}", 30.0, 0)) for n in range(0, 20, 3)]
    for cut in range(len(payloads)):
        whole, first, resumed = intake(), intake(), intake()
        for payload in payloads:
            whole.take(payload)
        for payload in payloads[:cut]:
            first.take(payload)
        resumed.restore(first.arrays(), json.loads(json.dumps(first.state())))
        for payload in payloads[cut:]:
            resumed.take(payload)
        assert resumed.counts == whole.counts
        one, other = whole.batch(10), resumed.batch(10)
        assert [part.tolist() for part in one] == [part.tolist() for part in other]


def growing(top=4, enough=2):
    return Intake(Join((2,), 5), (2,), ("a", "b"), Preprocessing((0.5,), (1.0,)), Newcomers(top, enough, (2,)))


def test_new_labels_become_classes_in_the_order_in_which_they_were_enough():
    found = growing()
    for payload in (sample(0, "x"), sample(1, 7), sample(2, 7), sample(3, "a"), sample(4, "x")):
        assert found.take(payload) is None
    assert found.names == ("a", "b", "7", "x")
    x, labels = found.batch(5)
    assert labels.tolist() == [2, 2, 0, 3, 3]
    assert x[:, 0].tolist() == [1.5, 2.0, 2.5, 1.0, 3.0]


@pytest.mark.parametrize("label", ["line\nbreak", 0.5, -1])
def test_what_is_no_name_becomes_no_class(label):
    found = growing()
    assert "none of the model's 2 classes" in found.take(sample(0, label))


def test_beyond_the_most_classes_new_labels_are_poison_even_if_they_were_early():
    found = growing(top=3)
    found.take(encode(LateLabel("s9", 9.0, "late")))
    for number in range(2):
        found.take(sample(number, "x"))
    assert "none of the model's 3 classes" in found.take(sample(5, "y"))
    assert "'late' is none of the model's 3 classes" in found.take(sample(9))
    assert found.counts["poison"] == 2


def test_one_that_grows_goes_on_from_its_state():
    payloads = [sample(n, ("a", "x", "y", 9)[n % 4]) for n in range(12)]
    for cut in range(len(payloads)):
        one, other = growing(top=5), growing(top=5)
        for payload in payloads[:cut]:
            one.take(payload)
        other.restore(one.arrays(), json.loads(json.dumps(one.state())))
        for found in (one, other):
            for payload in payloads[cut:]:
                found.take(payload)
        assert other.names == one.names
        assert other.state() == one.state()
