"""Results of trials, fabricated and real, and a project with 120 prepared digits."""

import pytest

from qatflow.artifacts import stage_output
from qatflow.data.prepare import prepare_data
from qatflow.params.data import DataParams
from qatflow.params.pretrain import PretrainParams
from qatflow.params.quantize import QatParams, QuantizeParams
from qatflow.params.root import Params
from qatflow.params.sweep import SweepParams
from qatflow.sweep.origin import origin_of, prepared_folder
from qatflow.sweep.play import Project
from qatflow.sweep.result import TrialResult
from qatflow.sweep.trials import Trial

TINY = Params(
    seed=1,
    data=DataParams(max_samples=120),
    pretrain=PretrainParams(epochs=1),
    quantize=QuantizeParams(calibration_samples=32, training=QatParams(epochs=1)),
    sweep=SweepParams(optimizers=("adam", "lion"), strategies=("qat_w8a8_per_channel",), models=("mlp",), seeds=2),
)


@pytest.fixture
def trial():
    """Give a function that makes a trial, of adam unless told otherwise."""

    def make(optimizer="adam", strategy="qat_w8a8_per_channel", model="mlp", seed=1, learning_rate=0.001):
        return Trial(optimizer, strategy, model, seed, learning_rate)

    return make


@pytest.fixture
def result(trial):
    """Give a function that makes a result; `curve` are the accuracies after each epoch, one second each."""

    def make(optimizer="adam", score=0.9, size=1000, status="done", curve=(0.5, 0.9), test=None, **which):
        of = trial(optimizer, **which)
        history = [{"epoch": float(i), "val_accuracy": value, "val_loss": 1.0} for i, value in enumerate(curve, 1)]
        common = {"trial": of.record(), "key": of.name, "status": status, "history": history}
        if status != "done":
            return TrialResult.model_validate({**common, "reason": "why"})
        figures = {"val_score": score, "test_score": score if test is None else test, "size_bytes": size}
        reference = {"val_score": 0.95, "test_score": 0.95, "size_bytes": 4000, "sha256": "f" * 64}
        times = [float(i) for i in range(1, len(curve) + 1)]
        measured = {"seconds": 3.0, "sha256": "a" * 64, "float": reference, "epoch_seconds": times}
        return TrialResult.model_validate({**common, **figures, **measured})

    return make


@pytest.fixture(scope="session")
def project(tmp_path_factory):
    """Return a project with prepared data; what is trained in it is kept for later tests."""
    root = tmp_path_factory.mktemp("project")
    with stage_output(prepared_folder(root), "prepare") as out:
        prepare_data(TINY.data, "auto", TINY.seed, out)
    return Project(root, TINY, origin_of(root))
