import json

import numpy as np
import pytest

from qatflow.data.preprocessing import Preprocessing
from qatflow.errors import OtherSchemaError
from qatflow.online.intake import Intake
from qatflow.online.join import Join
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
