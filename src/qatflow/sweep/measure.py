"""One trial, from prepared data to figures: runs in the process of a worker, the only place that needs TensorFlow."""

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from qatflow import backend
from qatflow.data.prepared import open_prepared
from qatflow.errors import ConversionError, DataError, ModelError, ParamsError
from qatflow.params.root import Params
from qatflow.quantization.run import Made, make
from qatflow.sweep.float_model import figures_of, float_model
from qatflow.sweep.keep import home, keep_result, read_result
from qatflow.sweep.origin import prepared_folder
from qatflow.sweep.result import TrialResult
from qatflow.sweep.trials import Trial, quantize_params, trial_key
from qatflow.sweep.watch import Pruned, Watcher
from qatflow.training.recovery import recoverable

Judgement = Callable[[int, float], bool]
"""Told the epoch (from 1) and its figure, higher is better; says whether the trial is worth going on with."""
OWN_FAULTS = (ConversionError, DataError, ModelError, ParamsError)
"""What is wrong with a trial itself and would be again; other errors are its surroundings'."""


def measure_trial(
    trial: Trial, params: Params, root: Path, origin: Mapping[str, str], goes_on: Judgement | None = None
) -> TrialResult:
    """Train, convert and measure, keep the result on disk, and return it.

    The flatbuffer is the same, bit for bit, whatever the process did before.

    Args:
        trial: What to train.
        params: All parameters; those of the sweep's own section change nothing.
        root: The project, with prepared data.
        origin: Digests of code and data, see `origin.origin_of`.
        goes_on: Asked after each epoch but the last; a trial that it ends is pruned, and not kept.

    Raises:
        ArtifactError: If the data or the float model on disk were altered.
    """
    key = trial_key(trial, params, origin)
    earlier = read_result(root, key)
    if earlier is not None:
        return earlier
    flatbuffer = None
    try:
        flatbuffer, figures = _measure(trial, params, root, origin, goes_on)
        result = TrialResult.model_validate({"trial": trial, "key": key, "status": "done", **figures})
    except Pruned as pruned:
        history = tuple(pruned.history)
        return TrialResult(trial=trial, key=key, status="pruned", reason=str(pruned), history=history)
    except OWN_FAULTS as error:
        result = TrialResult(trial=trial, key=key, status="failed", reason=str(error))
    keep_result(root, key, result, flatbuffer)
    return result


def _measure(
    trial: Trial,
    params: Params,
    root: Path,
    origin: Mapping[str, str],
    goes_on: Judgement | None,
) -> tuple[bytes, dict[str, Any]]:
    data, watcher = open_prepared(prepared_folder(root)), Watcher()
    model, reference = float_model(trial, params, data, root=root, origin=origin)
    backend.start(trial.seed)
    started = time.monotonic()
    watcher.start()
    with _followed(root, watcher, goes_on):
        made: Made = make(
            trial.strategy, model, data, quantize_params(trial, params), seed=trial.seed, progress=watcher
        )
    figures = figures_of(made.flatbuffer, data)
    measured = {"seconds": time.monotonic() - started, "float": reference, "history": made.history}
    return made.flatbuffer, {**figures.to_dict(), **measured, "epoch_seconds": watcher.epoch_seconds(len(made.history))}


@contextmanager
def _followed(root: Path, watcher: Watcher, goes_on: Judgement | None) -> Iterator[None]:
    """Let the watcher read the figures of each epoch, from checkpoints that are thrown away in the end."""
    if goes_on is None:
        yield
        return
    home(root).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="checkpoints-", dir=home(root)) as folder, recoverable(Path(folder)):
        watcher.follow(Path(folder), goes_on)
        yield
