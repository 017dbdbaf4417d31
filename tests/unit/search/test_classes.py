"""A rare class is watched by itself, also where the model knows all samples of it by heart."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from qatflow import artifacts
from qatflow.data.prepare import prepare_data
from qatflow.data.prepared import open_prepared
from qatflow.evaluation.answers import Answers, class_losses
from qatflow.params.data import DataParams
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


def threshold(at: float) -> bytes:
    """Return a float flatbuffer that finds class 1 where the first of eight features is above `at`."""
    from qatflow.backend import keras

    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(2, "softmax")])
    model.layers[0].set_weights([np.eye(8, 2)[:, ::-1] * 4.0, np.array([4.0 * at, 0.0])])
    return convert_float(model)


def test_of_a_rare_class_all_that_is_gone_counts_where_validation_samples_show_none(tmp_path):
    """A few positives of 2,000, of which both models know each that is validated: what is lost lies between them."""
    x = np.random.default_rng(0).normal(size=(2000, 8)).astype(np.float32)
    y = (x[:, 0] > 2.1).astype(np.int64)
    path = tmp_path / "rare.npz"
    np.savez(path, x=x, y=y)
    with artifacts.stage_output(tmp_path / "prepare", "prepare") as out:
        prepare_data(DataParams(source="arrays", path=str(path), normalize="none"), "rare", 42, out)
    data = open_prepared(tmp_path / "prepare")
    before, after = threshold(1.9), threshold(1.95)
    judge = Judge(data, data.val)
    guard = ClassGuard(data, before, judge.values(before))

    lost = guard.loss(after, judge.values(after))

    assert judge.score(judge.values(after)) >= judge.score(judge.values(before))
    assert (lost.label, lost.least) == (1, lost.gone)
    assert 0.01 < lost.gone < 0.05
    assert lost.samples > MIXTURES


def test_what_is_found_instead_does_not_make_up_for_what_is_gone():
    def answered(*right: int) -> Answers:
        return Answers("accuracy", np.repeat([1.0, 0.0, 1.0], right), np.ones(10, np.int64))

    (lost,) = class_losses(answered(5, 5, 0), answered(0, 5, 5), 0.05)

    assert (lost.before, lost.after, lost.gone) == (0.5, 0.5, 0.5)
    assert lost.told("defect") == "50.0% of 10 samples of class defect are found no more, others in their stead"


def test_what_has_no_classes_loses_none():
    data = replace(digits(), task="regression")

    model = flatbuffer("int8")
    values = Judge(digits(), digits().val).values(model)
    assert ClassGuard(data, model, values).loss(model, values) is None
