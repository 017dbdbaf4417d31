from copy import copy as copy_of
from dataclasses import replace

import numpy as np
import pytest

from qatflow.backend import keras, tf
from qatflow.params.quantize import QatParams
from qatflow.quantization.distillation import answers, distilling, hard_targets, objective

layers = keras.layers


@pytest.fixture
def teacher(sequence, lively):
    return lively(sequence((4,), layers.Dense(3, activation="softmax", name="out")))


def probabilities(seed, count=6):
    return np.random.default_rng(seed).dirichlet(np.ones(3), count).astype(np.float32)


def settings(**changes):
    return QatParams(**changes)


def test_at_temperature_1_targets_and_answers_are_mixed_in_stored_order(teacher, work):
    data = work((4,)).data
    x, labels = data.train.arrays()

    mixed = objective(teacher, data, settings(distillation=0.3), 3)
    hard = objective(teacher, data, settings(distillation=0.0), 3)

    np.testing.assert_allclose(mixed.targets, 0.7 * np.eye(3)[labels] + 0.3 * teacher(x).numpy(), atol=1e-5)
    np.testing.assert_array_equal(hard.targets, np.eye(3, dtype=np.float32)[labels])
    np.testing.assert_array_equal(mixed.validation, np.eye(3)[data.val.labels()])
    assert mixed.loss == "categorical_crossentropy"


@pytest.mark.parametrize("changes", [{}, {"distillation_temperature": 3.0}, {"distillation_loss": "logits"}])
def test_one_sigmoid_learns_what_two_softmax_units_would(sequence, lively, work, changes):
    """Softmax of (0, z) is (1 - sigmoid(z), sigmoid(z)): the same probabilities, so the same loss."""
    data = replace(work((4,)).data, num_outputs=2, class_names=("cat", "dog"))
    data = replace(data, train=relabelled(data.train), val=relabelled(data.val))
    one = lively(sequence((4,), layers.Dense(1, activation="sigmoid", name="out")))
    p = one(data.val.arrays()[0]).numpy()

    class Two:
        def predict_on_batch(self, x):
            return evaluated(one.predict_on_batch(x))

    single, pair = (
        objective(teacher, data, settings(distillation=0.4, **changes), outputs)
        for teacher, outputs in ((one, 1), (Two(), 2))
    )

    losses = [
        keras.losses.get(wanted.loss)(wanted.validation, tf.constant(given)).numpy()
        for wanted, given in ((single, p), (pair, evaluated(p)))
    ]
    np.testing.assert_allclose(*losses, rtol=1e-4)
    np.testing.assert_allclose(evaluated(single.targets[:, -1:])[:, 1], pair.targets[:, -1], atol=1e-6)


def evaluated(p):
    return np.concatenate([1 - p, p], axis=1)


def relabelled(split):
    """Two classes in place of three."""
    copy = copy_of(split)
    ids = split.labels() % 2
    copy.labels = lambda: ids
    return copy


def test_hard_targets_of_other_tasks(work):
    data = work((4,)).data

    assert hard_targets(data.train, replace(data, task="regression"), 3).dtype == np.float32
    np.testing.assert_array_equal(hard_targets(data.train, replace(data, task="anomaly"), 4), data.train.arrays()[0])


def test_a_temperature_keeps_targets_and_answers_apart_and_validates_by_the_targets(teacher, work):
    data = work((4,)).data

    wanted = objective(teacher, data, settings(distillation=0.5, distillation_temperature=3.0), 3)

    own = hard_targets(data.train, data, 3)
    np.testing.assert_array_equal(wanted.targets, np.concatenate([own, answers(teacher, data.train)], axis=1))
    given = probabilities(1, data.val.count)
    expected = keras.losses.categorical_crossentropy(hard_targets(data.val, data, 3), given)
    np.testing.assert_allclose(wanted.loss(wanted.validation, given), expected, rtol=1e-5)
    accuracy = wanted.metrics[0](wanted.validation, given).numpy().mean()
    assert accuracy == pytest.approx(np.mean(given.argmax(axis=1) == data.val.labels()))


@pytest.mark.parametrize("changes", [{}, {"distillation_temperature": 3.0}])
def test_an_augmented_student_learns_the_answers_to_what_it_sees(sequence, lively, work, changes):
    data = work((4, 4, 1)).data
    model = lively(sequence((4, 4, 1), layers.Flatten(), layers.Dense(3, activation="softmax", name="out")))
    plain = objective(model, data, settings(distillation=0.3, **changes), 3)
    wanted = objective(model, data, settings(distillation=0.3, augment=("flip",), **changes), 3)
    x = data.train.arrays()[0]

    np.testing.assert_allclose(wanted.answer(x, wanted.targets), plain.targets, atol=1e-6)
    seen = wanted.answer(x[:, :, ::-1], wanted.targets)
    assert seen.shape == wanted.targets.shape
    assert seen.dtype == np.float32
    assert np.abs(seen - plain.targets).max() > 0.01
    assert plain.answer is None


def test_an_augmented_student_without_a_teacher_has_its_own_targets(teacher, work):
    data = work((4, 4, 1)).data
    wanted = objective(teacher, data, settings(distillation=0.0, augment=("flip",)), 3)

    assert wanted.answer is None
    np.testing.assert_array_equal(wanted.targets, hard_targets(data.train, data, 3))


def test_an_augmented_autoencoder_learns_what_it_sees(teacher, work):
    data = replace(work((4, 4, 1)).data, task="anomaly")
    wanted = objective(teacher, data, settings(distillation=0.0, augment=("flip",)), 3)
    seen = data.train.arrays()[0][:, :, ::-1]

    np.testing.assert_array_equal(wanted.answer(seen, wanted.targets), seen)


def test_at_temperature_1_the_loss_is_the_cross_entropy_of_mixed_targets():
    own, taught, given = np.eye(3, dtype=np.float32)[[0, 1, 2, 0, 1, 2]], probabilities(1), probabilities(2)

    found = distilling(0.3, 1.0, "cross_entropy")(np.concatenate([own, taught], axis=1), given)

    np.testing.assert_allclose(found, keras.losses.categorical_crossentropy(0.7 * own + 0.3 * taught, given), rtol=1e-5)


def softmax(logits):
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def test_a_temperature_softens_both_and_scales_by_its_square():
    rng, share, high = np.random.default_rng(0), 0.4, 4.0
    student, teacher = rng.normal(size=(6, 3)) * 3, rng.normal(size=(6, 3)) * 3
    own = np.eye(3)[[0, 1, 2, 0, 1, 2]]
    targets = np.concatenate([own, softmax(teacher)], axis=1).astype(np.float32)

    found = distilling(share, high, "cross_entropy")(targets, softmax(student).astype(np.float32))

    hard = -(own * np.log(softmax(student))).sum(axis=1)
    soft = -(softmax(teacher / high) * np.log(softmax(student / high))).sum(axis=1)
    np.testing.assert_allclose(found, (1 - share) * hard + share * high**2 * soft, rtol=1e-4)


def test_logits_are_compared_up_to_a_constant():
    rng = np.random.default_rng(0)
    student, teacher = rng.normal(size=(6, 3)), rng.normal(size=(6, 3))
    targets = np.concatenate([np.eye(3)[[0, 1, 2, 0, 1, 2]], softmax(teacher + 5)], axis=1).astype(np.float32)

    found = distilling(1.0, 1.0, "logits")(targets, softmax(student).astype(np.float32))

    centered = [logits - logits.mean(axis=1, keepdims=True) for logits in (student, teacher)]
    np.testing.assert_allclose(found, ((centered[0] - centered[1]) ** 2).mean(axis=1), rtol=1e-3)


@pytest.mark.parametrize("kind", ["cross_entropy", "logits"])
def test_gradients_stay_finite_where_probabilities_are_0(kind):
    given = tf.Variable([[1.0, 0.0, 0.0]])
    with tf.GradientTape() as tape:
        loss = distilling(0.5, 2.0, kind)(tf.constant([[0.0, 1.0, 0.0, 0.0, 0.0, 1.0]]), given)

    assert np.isfinite(loss.numpy()).all()
    assert np.isfinite(tape.gradient(loss, given).numpy()).all()
