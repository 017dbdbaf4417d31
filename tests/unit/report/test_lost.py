import numpy as np
import pytest

from qatflow.report import lost
from qatflow.report.lost import find_lost
from qatflow.tflite.runtime import Runner


@pytest.fixture(scope="module")
def digits(make_data):
    return make_data("unit", source="digits")


@pytest.fixture(scope="module")
def outputs(golden, digits):
    return {name: Runner(golden[name]).predict(digits.test.arrays()[0]) for name in ("float32", "int4")}


def test_lost_samples_are_those_that_only_float_gets_right(golden, digits, outputs):
    found = find_lost(digits.test, outputs["int4"], golden["float32"])
    y = digits.test.labels()
    right, float_right = (outputs[name].argmax(axis=1) == y for name in ("int4", "float32"))
    assert sorted(sample.position for sample in found.samples) == np.flatnonzero(float_right & ~right).tolist()
    assert found.samples
    assert found.wrong == found.looked_at == (~right).sum()


def test_the_surest_error_comes_first_with_its_sample(golden, digits, outputs):
    first = find_lost(digits.test, outputs["int4"], golden["float32"]).samples[0]
    assert first.truth == digits.test.labels()[first.position] != first.taken
    assert np.array_equal(first.x, digits.test.arrays()[0][first.position])
    assert first.sure == outputs["int4"][first.position].max()


def test_a_perfect_model_loses_nothing(golden, digits):
    perfect = np.eye(10, dtype=np.float32)[digits.test.labels()]
    assert find_lost(digits.test, perfect, golden["float32"]) == lost.Losses((), 0, 0)


def test_of_many_errors_only_some_are_looked_at(golden, digits, monkeypatch):
    monkeypatch.setattr(lost, "MOST", 5)
    found = find_lost(digits.test, np.zeros((digits.test.count, 10), np.float32), golden["float32"])
    assert found.looked_at == 5
    assert found.wrong == (digits.test.labels() != 0).sum()
