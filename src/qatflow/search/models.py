"""Takes any Keras model, as an object or as a file, and says what cannot be quantized about it."""

from pathlib import Path
from typing import Any

import numpy as np

from qatflow.backend import keras
from qatflow.data.labels import Kind
from qatflow.errors import ModelError
from qatflow.models.allowed import CONTAINERS, subclassed
from qatflow.models.files import load_model_file
from qatflow.models.user_model import check_shapes, end_of

Shape = tuple[int, ...]


def take_model(model: Any, folder: Path, notes: list[str] | None = None) -> keras.Model:
    """Return a copy of a model as tf_keras model of built-in layers.

    Args:
        model: A tf_keras or Keras 3 model, or the path of a `.keras` or `.h5` file.
        folder: Where a model object is saved on the way.
        notes: Gets a sentence for each thing that is otherwise than in the model, see `models.serving_form`.

    Raises:
        ModelError: If it is no model, holds a Lambda or custom layer or weights that are not finite, has several inputs
            or outputs or an open dimension. Layers are named.
    """
    said: list[str] = [] if notes is None else notes
    loaded = _from_path(Path(model), said) if isinstance(model, (str, Path)) else _from_object(model, folder, said)
    shapes(loaded)
    return loaded


def shapes(model: keras.Model) -> tuple[Shape, Shape]:
    """Return the shapes of one input and one output sample.

    Raises:
        ModelError: If there are several inputs or outputs, or a dimension is open.
    """
    check_shapes(model)
    return tuple(model.inputs[0].shape[1:]), tuple(model.outputs[0].shape[1:])


def infer_task(model: keras.Model, labels: Kind) -> str:
    """Return what a model is for, from how it ends and what it is to say.

    One sigmoid unit tells two classes apart, unless labels are numbers between; several give a row of 0 and 1 each.
    Logits look the same without their sigmoid.

    Args:
        model: Of one input and one output.
        labels: What labels the data have, see `recognise.labels_of`.

    Raises:
        ModelError: If it gives more than a vector for each sample, and no sample again.
    """
    (taken, given), end = shapes(model), end_of(model)
    if len(given) > 1 and taken != given:
        raise ModelError(
            f"The model gives {given} for each sample, an answer for each place, as for segmentation or detection, "
            "which is not supported; right is one vector for each sample, or the sample's own shape again: end the "
            "model in Flatten or GlobalAveragePooling and Dense, or quantize the part up to there"
        )
    if end == "softmax":
        return "classification"
    if taken == given and (given != (1,) or labels == "none"):
        return "anomaly"
    if given == (1,):
        suited = {"sigmoid": {"two", "classes"}, "linear": {"two"}}.get(end, set())
        return "classification" if labels in suited else "regression"
    if labels == "multi_hot" and end in {"sigmoid", "linear"}:
        return "multi_label"
    return "classification" if labels in {"two", "classes", "one_hot"} and len(given) == 1 else "regression"


def assumptions(model: keras.Model, labels: Kind, task: str) -> tuple[str, ...]:
    """Return a sentence for each thing that was taken for granted when a task was told from model and labels."""
    (_, given), end = shapes(model), end_of(model)
    classes, several = task == "classification", len(given) == 1 and given[0] > 1
    found = {
        "labels are one-hot: the place of the 1 in each row was taken as its class": classes and labels == "one_hot",
        "the model ends in one linear unit and labels are two classes: its output was taken for a logit of the second "
        "class, and a sigmoid put behind it; --task regression takes it as a number": (
            classes and given == (1,) and end == "linear"
        ),
        "the model ends in linear units and labels are rows of 0 and 1: its outputs were taken for logits, and "
        "sigmoids put behind them; --task regression takes them as numbers": task == "multi_label" and end == "linear",
        "the model ends in several sigmoids and each sample has one class: they became a softmax, whose highest output "
        "is the same": classes and several and end == "sigmoid",
    }
    return tuple(sentence for sentence, holds in found.items() if holds)


def check_fits(model: keras.Model, sample: Shape) -> None:
    """Compare the model's input with the shape of a sample.

    Raises:
        ModelError: If they differ.
    """
    taken, _ = shapes(model)
    if taken != sample:
        raise ModelError(f"The model takes samples of shape {taken}, the data have {sample}")


def _from_path(path: Path, notes: list[str]) -> keras.Model:
    if (path / "saved_model.pb").exists():
        raise ModelError(
            f"Model {path} is a SavedModel, which holds a graph of operators and no layers; load it where it was made "
            "and save the Keras model itself, with model.save('model.keras')"
        )
    if path.is_dir():
        raise ModelError(f"Model {path} is a folder; save it with model.save('model.keras')")
    if not path.exists():
        raise ModelError(f"Model {path} does not exist; expected a .keras or .h5 file")
    return load_model_file(path, notes)


def _from_object(model: Any, folder: Path, notes: list[str]) -> keras.Model:
    if not callable(getattr(model, "save", None)) or not hasattr(model, "layers"):
        raise ModelError(f"Expected a Keras model or the path of one, not a {type(model).__name__}")
    _check_weights(model)
    path = folder / "model.keras"
    try:
        model.save(path)
    except (ValueError, TypeError, NotImplementedError, AttributeError, RuntimeError) as error:
        if not hasattr(model, "get_layer") or type(model).__name__ not in CONTAINERS:
            raise ModelError(f"The model cannot be used: {subclassed(type(model).__name__)}") from None
        told = " ".join(str(error).split())[:300]
        raise ModelError(f"The model cannot be saved: {told}. {_way_to_save(told)}") from None
    try:
        return load_model_file(path, notes)
    except ModelError as error:
        raise ModelError(f"The model cannot be used: {str(error).removeprefix(f'Cannot load {path}: ')}") from None


def _way_to_save(told: str) -> str:
    """Return what to do where Keras cannot write a model."""
    if "llipsis" in told:
        return "Write x[..., a:b] with a colon for each axis, as x[:, :, a:b]"
    return "Build the model anew of what Keras can write, so that model.save('model.keras') succeeds"


def _check_weights(model: Any) -> None:
    for layer in model.layers:
        if any(not np.isfinite(weight).all() for weight in layer.get_weights()):
            raise ModelError(f"Layer '{layer.name}' has weights that are NaN or infinite")
