"""The float model of an architecture and seed, trained once and kept; trials of all optimizers start from it."""

from collections.abc import Mapping
from pathlib import Path

from qatflow import artifacts, backend
from qatflow.backend import keras
from qatflow.data.prepared import PreparedData
from qatflow.models import build
from qatflow.models.store import load_model, save_model
from qatflow.params.root import Params
from qatflow.search.judge import Judge
from qatflow.sweep.keep import home, is_kept, kept
from qatflow.sweep.result import Figures
from qatflow.sweep.trials import Trial, float_key
from qatflow.tflite.convert import convert_float
from qatflow.training.fit import fit
from qatflow.training.targets import initialize_units


def float_model(
    trial: Trial, params: Params, data: PreparedData, *, root: Path, origin: Mapping[str, str]
) -> tuple[keras.Model, Figures]:
    """Return the trained float model, loaded from disk, and the figures of its flatbuffer.

    Raises:
        ModelError: If the architecture does not suit the data, or the loss became NaN or infinite.
    """
    folder = home(root) / "float" / float_key(trial, params, origin)[:32]
    if not is_kept(folder):
        with kept(folder, "float") as out:
            _train(trial, params, data, out)
    backend.start(trial.seed)
    return load_model(folder), Figures.read(folder)


def _train(trial: Trial, params: Params, data: PreparedData, out: Path) -> None:
    backend.start(trial.seed)
    chosen = params.model.model_copy(update={"name": trial.model})
    model = build(chosen, data.input_shape, data.num_outputs, data.task)
    initialize_units(model, data)
    history = fit(model, data, params.pretrain, trial.seed, "training the float model")
    save_model(model, out)
    artifacts.write_json(out / "history.json", history)
    figures_of(convert_float(model), data).write(out)


def figures_of(flatbuffer: bytes, data: PreparedData) -> Figures:
    """Return the figures of a flatbuffer, measured with LiteRT."""
    judges = Judge(data, data.val), Judge(data, data.test)
    val_score, test_score = (judge.score(judge.values(flatbuffer)) for judge in judges)
    sha256 = artifacts.sha256_bytes(flatbuffer)
    return Figures(size_bytes=len(flatbuffer), sha256=sha256, val_score=val_score, test_score=test_score)
