import pytest

from qatflow.artifacts import sha256_file
from qatflow.sweep.keep import home, read_result, trial_folder
from qatflow.sweep.measure import measure_trial

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def measure(project):
    """Give a function that measures a trial in the project."""
    return lambda trial, goes_on=None: measure_trial(trial, project.params, project.root, project.origin, goes_on)


def test_a_trial_repeats_itself_bit_for_bit_whatever_ran_before(project, measure, trial):
    first = measure(trial("lion"))
    folder = trial_folder(project.root, first.key)
    assert sha256_file(folder / "model.tflite") == first.sha256
    assert read_result(project.root, first.key) == first
    measure(trial("adam"))
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()

    again = measure(trial("lion"))

    assert again.sha256 == first.sha256
    assert again.history == first.history
    assert again.val_score == first.val_score
    assert len(again.epoch_seconds) == 1
    assert 0 < again.epoch_seconds[0] <= again.seconds


def test_trials_of_one_architecture_and_seed_share_the_float_model(project, measure, trial):
    assert measure(trial("lion")).float_model == measure(trial("adam")).float_model
    assert len(list((home(project.root) / "float").iterdir())) == 1


def test_a_kept_trial_is_not_trained_again(measure, trial):
    first = measure(trial("lion"))
    assert measure(trial("lion")) == first  # times included


def test_a_trial_that_cannot_work_is_failed_and_says_why(project, measure, trial):
    found = measure(trial(model="autoencoder"))
    assert found.status == "failed"
    assert "autoencoder" in found.reason
    assert read_result(project.root, found.key) == found


def test_a_trial_is_asked_after_each_epoch_but_the_last_and_may_be_ended(project, trial):
    training = project.params.quantize.training.model_copy(update={"epochs": 3})
    quantize = project.params.quantize.model_copy(update={"training": training})
    params, asked = project.params.model_copy(update={"quantize": quantize}), []

    def goes_on(epoch, figure):
        asked.append((epoch, figure))
        return epoch < 2

    found = measure_trial(trial("lion"), params, project.root, project.origin, goes_on)

    assert (found.status, len(found.history)) == ("pruned", 2)
    assert asked == [(i, entry["val_accuracy"]) for i, entry in enumerate(found.history, 1)]
    assert read_result(project.root, found.key) is None
    assert list(home(project.root).glob("checkpoints-*")) == []
