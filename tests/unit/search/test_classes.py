"""A rare class is watched by itself, also where the model knows all samples of it by heart."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from qatflow.search.classes import ENOUGH, MIXTURES, ClassGuard, mixtures, rare_classes
from qatflow.search.decide import best, qualifies
from qatflow.search.judge import Judge
from qatflow.search.options import Goal
from qatflow.search.trial import Trial
from qatflow.tflite.convert import convert_float
from tests.unit.release.fabricate import digits, flatbuffer


def test_rare_are_classes_of_few_validation_samples_beside_one_of_many_the_rarest_first():
    train = np.repeat([0, 1, 2, 3], [5000, 400, 40, 3000])

    assert rare_classes(np.repeat([0, 1, 2, 3], [900, 60, 6, 500]), train).tolist() == [2, 1]
    assert rare_classes(np.repeat([0, 1, 2], [900, ENOUGH, 6]), train).tolist() == [2]
    assert rare_classes(np.repeat(np.arange(10), 27), np.repeat(np.arange(10), 100)).tolist() == []


def test_mixtures_are_mostly_of_the_rare_class_and_repeat_exactly():
    x, y = np.array([[0.0], [0.0], [1.0]]), np.array([0, 0, 1])
    split = SimpleNamespace(labels=lambda: y, take=lambda rows: (x[rows], y[rows]), count=3, x_shape=(1,))

    mixed, labels = mixtures(split, np.array([1]))

    assert len(mixed) == MIXTURES
    assert set(labels.tolist()) == {1}
    assert 0.5 <= mixed.min() < 0.6
    assert np.array_equal(mixed, mixtures(split, np.array([1]))[0])


@pytest.fixture(scope="module")
def models():
    """A float classifier of digits, and one that never finds an eight."""
    from qatflow.backend import keras

    x, y = digits().train.arrays()
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(10, "softmax")])
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(x, y, epochs=8, verbose=0)
    good = convert_float(model)
    kernel, bias = model.layers[-1].get_weights()
    bias[8] -= 100.0
    model.layers[-1].set_weights([kernel, bias])
    return good, convert_float(model)


def test_the_class_that_is_lost_is_named_with_its_numbers(models):
    good, blind = models
    val, test = (Judge(digits(), split) for split in (digits().val, digits().test))
    guard = ClassGuard(digits(), good, val.values(good))

    lost = guard.loss(blind, val.values(blind))

    assert (lost.label, lost.after) == (8, 0.0)
    assert lost.least > 0.1
    (note,) = guard.on_test(test.values(blind), test.values(good), 0.01)
    assert note.startswith("recall of class 8 fell from 0.")
    assert "to 0.000 on" in note
    assert guard.on_test(test.values(good), test.values(good), 0.01) == ()
    assert guard.loss(good, val.values(good)).least < 0


def test_a_candidate_that_loses_a_class_does_not_qualify_however_high_its_score():
    fine = Trial("ptq_w8a8", "measured", val_score=0.99, size_bytes=2000)
    blind = Trial("qat_w4a8", "measured", val_score=0.992, size_bytes=1000, class_loss=0.04)

    assert not qualifies(blind, Goal(), 0.995)
    assert best([fine, blind], Goal(), 0.995) is fine
    assert best([fine, blind], Goal(max_drop=0.05), 0.995) is blind


def test_what_has_no_classes_loses_none():
    data = replace(digits(), task="regression")

    model = flatbuffer("int8")
    values = Judge(digits(), digits().val).values(model)
    assert ClassGuard(data, model, values).loss(model, values) is None
