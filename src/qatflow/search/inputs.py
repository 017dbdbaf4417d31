"""Brings a model and data in any form together: one float model and the prepared data that go into it as they are."""

import shutil
import tempfile
import weakref
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from qatflow import backend
from qatflow.artifacts import Array, stage_output
from qatflow.backend import keras
from qatflow.data.card import card_notes
from qatflow.data.given import save_given
from qatflow.data.labels import Kind
from qatflow.data.prepare import prepare_data
from qatflow.data.prepared import PreparedData, open_prepared
from qatflow.errors import DataError
from qatflow.models.user_model import fit_to_task
from qatflow.params.data import DataParams
from qatflow.progress import Progress
from qatflow.search.models import assumptions, check_fits, infer_task, shapes, take_model
from qatflow.search.options import Options
from qatflow.search.recognise import labels_of, recognise, sample_shape
from qatflow.search.unlabelled import as_anomaly, without_labels

IMAGE_RANK = 3
MIN_CALIBRATION = 2


@dataclass(frozen=True)
class Inputs:
    """What a search works on.

    Attributes:
        model: Of the data's input shape and task.
        data: Prepared, not normalized. A temporary folder of theirs is removed with this object.
        notes: What was not as it might have been expected.
    """

    model: keras.Model
    data: PreparedData
    notes: tuple[str, ...]


def take_inputs(model: Any, data: Any, options: Options) -> Inputs:
    """Load the model, recognise, check and split the data, and fit the two together.

    Args:
        model: See `models.take_model`.
        data: PreparedData; a path or `digits`; samples x; (x, y); or (x_train, y_train, x_test, y_test).
        options: Task, source, label, samples and seed.

    Raises:
        ModelError: If the model cannot be used, or does not fit the data or the task.
        DataError: If the data cannot be used.
    """
    backend.start(options.seed)
    folder = Path(tempfile.mkdtemp(prefix="qatflow-"))
    try:
        said: list[str] = []
        float_model = take_model(model, folder, said)
        prepared, notes = _prepared(data, float_model, options, folder)
        check_fits(float_model, prepared.input_shape)
        fitted = fit_to_task(float_model, prepared.input_shape, prepared.num_outputs, prepared.task)
        _check_calibration(prepared, options)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    weakref.finalize(prepared, shutil.rmtree, folder, ignore_errors=True)
    return Inputs(fitted, prepared, (*said, *notes))


def _prepared(data: Any, model: keras.Model, options: Options, folder: Path) -> tuple[PreparedData, tuple[str, ...]]:
    if isinstance(data, PreparedData):
        return data, ()
    if not isinstance(data, (str, Path)):
        data = save_given(data, folder, partial(_as_source, model))
    source, path = recognise(data, options.source)
    taken, _ = shapes(model)
    size = (taken[0], taken[1]) if source == "image_folder" and len(taken) == IMAGE_RANK else None
    wanted = DataParams(
        source=source,
        path=path,
        label=options.label,
        image_size=size,
        max_samples=options.max_samples,
        exif=options.exif,
    )
    labels = _labels(wanted)
    task = options.task or infer_task(model, labels)
    prepared, notes = _prepare(wanted.model_copy(update={"task": task}), model, options, folder)
    return prepared, (*assumptions(model, labels, task), *notes)


def _labels(data: DataParams) -> Kind:
    """Tell the kind of labels; a table without the label column may still suit an autoencoder."""
    try:
        return labels_of(data)
    except DataError:
        if data.source != "csv":
            raise
        return "none"


def _prepare(
    data: DataParams, model: keras.Model, options: Options, folder: Path
) -> tuple[PreparedData, tuple[str, ...]]:
    try:
        check_fits(model, sample_shape(data))  # before all of them are read
        prepared = _written(data, folder / "prepared", options.seed, options.progress)
        return prepared, tuple(card_notes(prepared.card, data.path))
    except DataError as error:
        if data.task != "anomaly":
            raise
        unlabelled = without_labels(data, folder)
        prepared = _written(unlabelled, folder / "prepared", options.seed, options.progress)
        note = f"labels are not used, the autoencoder is judged by how well it reconstructs its inputs: {error}"
        return as_anomaly(prepared, data.source), (note,)


def _written(data: DataParams, out: Path, seed: int, progress: Progress) -> PreparedData:
    with stage_output(out, "prepare") as place:
        prepare_data(data, "none", seed, place, progress)
    return open_prepared(out)


def _as_source(model: keras.Model, name: str, array: Array) -> Array:
    """Keep (h, w) samples from being taken for gray images (h, w, 1)."""
    taken, _ = shapes(model)
    if name.startswith("x") and array.dtype == np.uint8 and array.ndim == 3 and len(taken) == 2:
        return array.astype(np.float32)
    return array


def _check_calibration(data: PreparedData, options: Options) -> None:
    """Ranges of activations cannot be told from a single sample."""
    samples = min(data.train.count, options.settings.calibration_samples)
    if samples < MIN_CALIBRATION:
        raise DataError(
            f"Calibration would see {samples} sample; the ranges of activations need at least {MIN_CALIBRATION}, "
            f"better some hundred"
        )
