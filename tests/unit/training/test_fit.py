from dataclasses import replace

import numpy as np
import pytest

from qatflow.backend import start
from qatflow.errors import ModelError
from qatflow.models import ARCHITECTURES
from qatflow.params.training import TrainingParams
from qatflow.training.fit import fit

TRAINING = TrainingParams(epochs=2, batch_size=32, learning_rate=0.01)


def trained(data, training=TRAINING, seed=0, architecture="mlp", progress=lambda *_: None):
    start(0)
    model = ARCHITECTURES[architecture](data.input_shape, data.num_outputs, 0.25, data.task)
    return model, fit(model, data, training, seed, "training", progress)


def test_history_has_one_entry_an_epoch(digits):
    history = trained(digits)[1]

    assert [entry["epoch"] for entry in history] == [1, 2]
    assert all(entry.keys() == {"epoch", "loss", "accuracy", "val_loss", "val_accuracy"} for entry in history)
    assert history[1]["loss"] < history[0]["loss"]


@pytest.mark.slow
def test_equal_seeds_give_equal_weights_and_others_do_not(digits):
    first, again, other = (trained(digits, seed=seed)[0].get_weights() for seed in (1, 1, 2))

    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(first, other, strict=True))


@pytest.mark.slow
def test_keeps_the_epoch_of_the_lowest_validation_loss(digits):
    training = TrainingParams(epochs=8, batch_size=16, optimizer="sgd", learning_rate=2.5, schedule="constant")

    model, history = trained(digits, training)

    losses = [entry["val_loss"] for entry in history]
    assert min(losses) < losses[-1]
    x, y = digits.val.arrays()
    assert model.evaluate(x, y, verbose=0)[0] == pytest.approx(min(losses), rel=1e-4)


@pytest.mark.slow
def test_reports_within_an_epoch_and_at_its_end(digits):
    reports = []

    trained(digits, TrainingParams(epochs=2, batch_size=5), progress=lambda *report: reports.append(report))

    assert reports == [
        ("training, epoch 1/2", 20, 52),
        ("training, epoch 1/2", 26, 52),
        ("training, epoch 2/2", 46, 52),
        ("training, epoch 2/2", 52, 52),
    ]


def test_a_lost_loss_says_what_to_do(digits):
    training = TrainingParams(epochs=3, batch_size=32, optimizer="sgd", learning_rate=1e30)

    with pytest.raises(ModelError, match="loss became nan in epoch 1; lower the learning rate"):
        trained(digits, training)


@pytest.mark.slow
@pytest.mark.parametrize(("task", "architecture"), [("regression", "mlp"), ("anomaly", "autoencoder")])
def test_other_tasks_have_losses_only(digits, task, architecture):
    data = replace(digits, task=task, num_outputs=1 if task == "regression" else 64)

    history = trained(data, architecture=architecture)[1]

    assert history[0].keys() == {"epoch", "loss", "val_loss"}
    assert history[1]["loss"] < history[0]["loss"]
