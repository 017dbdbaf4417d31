from dataclasses import replace

import numpy as np
import pytest

from qatflow.errors import ConversionError
from qatflow.search.judge import Judge
from qatflow.tflite.runtime import Runner


class Rows:
    """A split of flattened digits, for the golden autoencoder."""

    def __init__(self, split, y):
        self.x, self.y = split.arrays()[0].reshape(split.count, -1), y
        self.count, self.x_shape = split.count, (64,)

    def labels(self):
        return self.y

    def batches(self, size):
        return ((self.x[at : at + size], self.y[at : at + size]) for at in range(0, self.count, size))


def test_classifiers_are_judged_by_accuracy(data, golden):
    judge = Judge(data, data.val)
    x, y = data.val.arrays()

    assert judge.metric == "accuracy"
    assert judge.score(judge.values(golden["int8"])) == np.mean(Runner(golden["int8"]).predict(x).argmax(1) == y)


def test_autoencoders_with_anomalies_are_judged_by_auc(data, golden):
    split = Rows(data.val, np.arange(data.val.count) % 2)
    judge = Judge(replace(data, task="anomaly"), split)

    assert judge.metric == "auc"
    assert 0 < judge.score(judge.values(golden["autoencoder"])) < 1


def test_autoencoders_without_anomalies_are_judged_by_their_reconstruction(data, golden):
    split = Rows(data.val, np.zeros(data.val.count, int))
    judge = Judge(replace(data, task="anomaly"), split)
    outputs = Runner(golden["autoencoder"]).predict(split.x)

    assert judge.metric == "reconstruction_r2"
    expected = 1 - np.mean((outputs - split.x) ** 2) / split.x.astype(float).var(axis=0).mean()
    assert judge.score(judge.values(golden["autoencoder"])) == pytest.approx(expected, rel=1e-5)
    assert 0.3 < expected < 1


def test_a_flatbuffer_that_is_none_is_refused(data):
    with pytest.raises(ConversionError):
        Judge(data, data.val).values(b"nothing at all")
