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
from qatflow.data.npz import chunk_rows, npz_names, open_npz, read_rows
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
        calibration: The caller's own samples to calibrate on, (n, *shape) float32; None for training samples.
    """

    model: keras.Model
    data: PreparedData
    notes: tuple[str, ...]
    calibration: Array | None = None


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
        calibration = _calibration(prepared, options)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    weakref.finalize(prepared, shutil.rmtree, folder, ignore_errors=True)
    return Inputs(fitted, prepared, (*said, *notes), calibration)


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
        prepared = _written(data, folder / "prepared", options.seed, options.told)
        return prepared, tuple(card_notes(prepared.card, data.path))
    except DataError as error:
        if data.task != "anomaly":
            raise
        unlabelled = without_labels(data, folder)
        prepared = _written(unlabelled, folder / "prepared", options.seed, options.told)
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


def _calibration(data: PreparedData, options: Options) -> Array | None:
    """Return the caller's calibration samples, (n, *shape) float32; None if training samples serve.

    Raises:
        DataError: If they do not go into the model; or if it is a single one: that tells no ranges of activations.
    """
    if options.calibration is None:
        _check_count(min(data.train.count, options.settings.calibration_samples))
        return None
    given = options.calibration
    try:
        samples = np.asarray(_of_file(Path(given)) if isinstance(given, (str, Path)) else given, np.float32)
    except (TypeError, ValueError) as error:
        raise DataError(f"calibration is no array of numbers: {error}") from None
    if samples.shape[1:] != tuple(data.input_shape):
        expected = ("n", *data.input_shape)
        raise DataError(f"calibration has shape {samples.shape}; expected samples ({', '.join(map(str, expected))})")
    if not np.isfinite(samples).all():
        raise DataError("calibration holds NaN or infinity")
    _check_count(len(samples))
    return samples


def _of_file(path: Path) -> Array:
    """Return the array `x` of an .npz, or the only one."""
    names = npz_names(path)
    if "x" not in names and len(names) != 1:
        raise DataError(f"{path} holds the arrays {', '.join(sorted(names)) or 'none'}; expected x, which calibrates")
    (member,) = open_npz(path, {"x"} if "x" in names else names).values()
    return np.concatenate(list(read_rows(member, chunk_rows(member))))


def _check_count(samples: int) -> None:
    if samples < MIN_CALIBRATION:
        raise DataError(
            f"Calibration would see {samples} sample; the ranges of activations need at least {MIN_CALIBRATION}, "
            f"better some hundred"
        )
