"""Trainings that break off and go on; kills of whole processes are in tests/faults/test_workers.py."""

import json

import numpy as np
import pytest

from qatflow.backend import start
from qatflow.models import ARCHITECTURES
from qatflow.params.training import TrainingParams
from qatflow.training.fit import fit
from qatflow.training.recovery import recoverable

TRAINING = TrainingParams(epochs=4, batch_size=32, learning_rate=0.01)

pytestmark = pytest.mark.slow


class BrokenOffError(Exception):
    pass


def train(data, folder, training=TRAINING, until=None, label="training"):
    """Train an mlp; break off in the middle of epoch `until`, counted from 1."""

    def progress(what, *_):
        if until is not None and f"epoch {until}/" in what:
            raise BrokenOffError

    start(0)
    model = ARCHITECTURES["mlp"](data.input_shape, data.num_outputs, 0.25, data.task)
    with recoverable(folder):
        history = fit(model, data, training, 0, label, progress)
    return model.get_weights(), history


def equal(first, second):
    return all(map(np.array_equal, first[0], second[0])) and first[1] == second[1]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"optimizer": "nadam", "augment": ("flip", "shift")},
        {"averaging": 0.9, "warmup": 0.3, "schedule": "step"},
    ],
)
def test_what_broke_off_goes_on_and_ends_as_if_nothing_had_been(digits, tmp_path, changes):
    training = TRAINING.model_copy(update=changes)
    undisturbed = train(digits, tmp_path / "a", training)
    with pytest.raises(BrokenOffError):
        train(digits, tmp_path / "b", training, until=3)

    assert equal(train(digits, tmp_path / "b", training), undisturbed)


def test_a_finished_training_is_not_done_again(digits, tmp_path):
    first = train(digits, tmp_path)

    assert equal(train(digits, tmp_path, until=1), first)
    assert sorted(path.name for path in (tmp_path / "training").iterdir()) == ["epoch-000003", "epoch-000004"]


def test_a_damaged_checkpoint_gives_way_to_the_one_before(digits, tmp_path):
    undisturbed = train(digits, tmp_path / "a")
    with pytest.raises(BrokenOffError):
        train(digits, tmp_path / "b", until=4)
    newest = tmp_path / "b" / "training" / "epoch-000003" / "state.npz"
    newest.write_bytes(newest.read_bytes()[:-100])

    assert equal(train(digits, tmp_path / "b"), undisturbed)


def test_trainings_of_one_stage_are_told_apart_by_their_label(digits, tmp_path):
    train(digits, tmp_path, label="the first")
    longer = TRAINING.model_copy(update={"epochs": 5})

    _, history = train(digits, tmp_path, longer, label="the second")

    assert len(history) == 5
    assert len(json.loads((tmp_path / "the-first" / "epoch-000004" / "history.json").read_text())) == 4
