import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from qatflow.backend import keras, start
from qatflow.errors import ModelError, ParamsError
from qatflow.quantization.fake_quant import Grids, Learn, build, grids_of, initial_steps
from qatflow.quantization.plan import Own, Plan
from qatflow.quantization.progressive import Descend
from qatflow.quantization.statistics import reestimate
from qatflow.quantization.training import Extras, fit_fake_quant, steps_of

layers = keras.layers
MIRRORED = Path(__file__).with_name("mirrored.py")


@pytest.fixture
def teacher(sequence, lively):
    return lively(sequence((4,), layers.Dense(3, activation="softmax", name="out")))


@pytest.fixture
def network(sequence, lively):
    """A fake-quant model, its plan and a float copy."""
    model = lively(sequence((4,), layers.Dense(6, name="a"), layers.Dense(3, name="b"), layers.Softmax(name="end")))
    plan = Plan({"a": 4, "b": 4}, {"a": Own(), "b": Own()})
    steps = {name: initial_steps(model.get_layer(name), 4, per_channel=False) for name in "ab"}
    return build(model, plan, Grids(steps, {"a": (-3.0, 3.0), "b": (-3.0, 3.0)}), Learn(True, True)), plan, model


def test_steps_count_the_smaller_last_batch(work):
    given = work((4,), training={"batch_size": 32})

    assert steps_of(given) == -(-given.data.train.count // 32)


@pytest.mark.slow
def test_a_training_that_makes_it_worse_ends_with_the_first_weights(network, work):
    fake_quant, plan, model = network
    before, grids = fake_quant.get_weights(), grids_of(fake_quant, plan)

    given = work((4,), training={"learning_rate": 50.0, "optimizer": "sgd", "schedule": "constant", "epochs": 2})
    history = fit_fake_quant(fake_quant, model, given)

    assert len(history) == 2
    assert min(entry["val_loss"] for entry in history) > 0.1
    assert all(np.array_equal(a, b) for a, b in zip(before, fake_quant.get_weights(), strict=True))
    assert grids_of(fake_quant, plan).ranges == grids.ranges


@pytest.mark.slow
def test_a_training_that_helps_moves_weights_and_grids_and_repeats_itself(sequence, lively, network, work):
    fake_quant, plan, model = network
    first, begin = grids_of(fake_quant, plan), fake_quant.get_weights()
    given = work((4,), training={"learning_rate": 0.02, "grid_learning_rate": 0.002, "epochs": 3})

    history = fit_fake_quant(fake_quant, model, given)
    once = fake_quant.get_weights()
    fake_quant.set_weights(begin)
    fit_fake_quant(fake_quant, model, given)

    assert history[-1]["val_loss"] < history[0]["val_loss"]
    assert {"epoch", "loss", "accuracy", "val_loss", "val_accuracy"} <= history[0].keys()
    assert all(np.array_equal(a, b) for a, b in zip(once, fake_quant.get_weights(), strict=True))
    moved = [grids_of(fake_quant, plan).steps[name] / first.steps[name] for name in "ab"]
    assert all(1e-4 < abs(ratio - 1) < 0.05 for ratio in moved)


@pytest.mark.slow
def test_an_augmented_student_learns_from_a_teacher_of_the_same_views_and_repeats_itself(sequence, lively, work):
    stack = layers.Conv2D(4, 3), layers.Flatten(), layers.Dense(3, activation="softmax", name="out")
    model = lively(sequence((6, 6, 1), *stack))
    given = work((6, 6, 1), training={"augment": ("flip", "shift"), "distillation_temperature": 2.0, "epochs": 2})
    seen = []

    class Teacher:
        def predict_on_batch(self, x):
            seen.append(x)
            return model.predict_on_batch(x)

    def train():
        start(0)
        copy = keras.models.clone_model(model)
        copy.set_weights(model.get_weights())
        fit_fake_quant(copy, Teacher(), given)
        return copy.get_weights()

    first = train()
    asked = np.concatenate(seen)
    assert all(map(np.array_equal, first, train()))
    assert len(asked) == 2 * given.data.train.count
    assert not np.array_equal(*np.split(asked, 2))


def test_what_is_no_image_is_not_augmented(network, work):
    with pytest.raises(ParamsError, match=r"augment: \[flip\] changes images .* samples have shape \(4,\)"):
        fit_fake_quant(network[0], network[2], work((4,), training={"augment": ("flip",)}))


@pytest.mark.slow
def test_a_lost_loss_says_so(network, work):
    fake_quant, _, model = network
    given = work((4,), training={"grid_learning_rate": 1e30, "optimizer": "sgd", "epochs": 2})

    with pytest.raises(ModelError, match="loss became nan in epoch 1; lower the learning rate"):
        fit_fake_quant(fake_quant, model, given)


@pytest.mark.slow
def test_averages_are_judged_and_kept_with_grids_and_frozen_weights(network, work):
    fake_quant, plan, model = network
    first = grids_of(fake_quant, plan)
    given = work(
        (4,),
        training={"learning_rate": 0.02, "epochs": 3, "averaging": 0.8, "freeze_oscillating": 0.02, "clip_norm": 1.0},
    )

    history = fit_fake_quant(fake_quant, model, given)

    x, y = given.data.val.arrays()
    judged = fake_quant.evaluate(x, np.eye(3, dtype=np.float32)[y], verbose=0)[0]
    assert judged == pytest.approx(min(row["val_loss"] for row in history), rel=1e-4)
    assert history[-1]["val_loss"] < history[0]["val_loss"]
    assert all(first.steps[name] != grids_of(fake_quant, plan).steps[name] for name in "ab")


def test_averages_of_changing_widths_are_refused(network, work):
    fake_quant, _, model = network
    given = work((4,), training={"averaging": 0.9})

    with pytest.raises(ParamsError, match=r"averaging 0\.9 would average weights of other sparsity, or grids"):
        fit_fake_quant(fake_quant, model, given, Extras(callbacks=[Descend(fake_quant, ["a"], 5)]))


@pytest.mark.slow
def test_mirrored_on_two_devices_it_learns_the_same():
    """Within 1e-5, what float32 loses where gradients are added up in another order; the replicas do not differ."""
    program = [sys.executable, str(MIRRORED)]
    output = subprocess.run(program, capture_output=True, text=True, timeout=240, check=True).stdout

    found = json.loads(output.splitlines()[-1])
    assert found["replicas"] == 2
    assert found["steps"] == [12, 12]
    assert found["moved"] > 0.05
    assert found["frozen"][0] == found["frozen"][1] > 0
    assert found["zeros"] == [12, 12]
    assert found["weights_apart"] < 1e-5
    assert found["state_apart"] < 1e-5
    assert found["mirrored"] > 50
    assert found["replicas_apart"] == 0


def test_statistics_are_reestimated_from_training_batches(sequence, lively, work):
    model = lively(sequence((4,), layers.Dense(5, name="d"), layers.BatchNormalization(name="norm")))
    given = work((4,), training={"reestimate_batches": 3, "batch_size": 32})

    reestimate(model, given)

    batches = [x for x, _ in given.data.train.batches(32, given.seed)][:3]
    inner = [model.get_layer("d")(x).numpy() for x in batches]
    norm = model.get_layer("norm")
    np.testing.assert_allclose(norm.moving_mean, np.mean([x.mean(axis=0) for x in inner], axis=0), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(norm.moving_variance, np.mean([x.var(axis=0) for x in inner], axis=0), rtol=1e-3)


@pytest.mark.slow
def test_each_epoch_is_judged_with_statistics_of_its_own(sequence, lively, work):
    stack = layers.Dense(5), layers.BatchNormalization(name="norm"), layers.Dense(3, activation="softmax", name="out")
    model = lively(sequence((4,), *stack))
    training = {"reestimate_batches": 3, "batch_size": 32, "distillation": 0.0, "learning_rate": 0.05, "epochs": 3}
    given = work((4,), training=training)

    history = fit_fake_quant(model, model, given)

    kept, x, targets = model.get_weights(), *given.data.val.arrays()
    losses = -np.log(model(x).numpy()[np.arange(len(x)), targets])
    assert losses.mean() == pytest.approx(min(entry["val_loss"] for entry in history), rel=1e-4)
    reestimate(model, given)
    assert all(np.allclose(a, b, rtol=1e-6) for a, b in zip(kept, model.get_weights(), strict=True))
    assert model.get_layer("norm").momentum == 0.99


def test_no_batches_leave_statistics_alone(sequence, lively, work):
    model = lively(sequence((4,), layers.BatchNormalization(name="norm")))
    before = model.get_weights()

    reestimate(model, work((4,)))

    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
