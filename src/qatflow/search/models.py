"""Takes any Keras model, as an object or as a file, and says what cannot be quantized about it."""

from pathlib import Path
from typing import Any

import numpy as np

from qatflow.backend import keras
from qatflow.errors import ModelError
from qatflow.models.files import load_model_file
from qatflow.models.user_model import check_shapes, ends_in_softmax

Shape = tuple[int, ...]


def take_model(model: Any, folder: Path) -> keras.Model:
    """Return a copy of a model as tf_keras model of built-in layers.

    Args:
        model: A tf_keras or Keras 3 model, or the path of a `.keras` or `.h5` file.
        folder: Where a model object is saved on the way.

    Raises:
        ModelError: If it is no model, holds a Lambda or custom layer or weights that are not finite, has several inputs
            or outputs or an open dimension. Layers are named.
    """
    loaded = _from_path(Path(model)) if isinstance(model, (str, Path)) else _from_object(model, folder)
    shapes(loaded)
    return loaded


def shapes(model: keras.Model) -> tuple[Shape, Shape]:
    """Return the shapes of one input and one output sample.

    Raises:
        ModelError: If there are several inputs or outputs, or a dimension is open.
    """
    check_shapes(model)
    return tuple(model.inputs[0].shape[1:]), tuple(model.outputs[0].shape[1:])


def infer_task(model: keras.Model, labels: str) -> str:
    """Return what a model is for: classification, regression or anomaly.

    Args:
        model: Of one input and one output.
        labels: What labels the data have, see `recognise.labels_of`.
    """
    taken, given = shapes(model)
    if ends_in_softmax(model):
        return "classification"
    if taken == given:
        return "anomaly"
    return "classification" if labels == "classes" and len(given) == 1 and given[0] > 1 else "regression"


def check_fits(model: keras.Model, sample: Shape) -> None:
    """Compare the model's input with the shape of a sample.

    Raises:
        ModelError: If they differ.
    """
    taken, _ = shapes(model)
    if taken != sample:
        raise ModelError(f"The model takes samples of shape {taken}, the data have {sample}")


def _from_path(path: Path) -> keras.Model:
    if path.is_dir():
        raise ModelError(f"Model {path} is a folder; save it with model.save('model.keras')")
    if not path.exists():
        raise ModelError(f"Model {path} does not exist; expected a .keras or .h5 file")
    return load_model_file(path)


def _from_object(model: Any, folder: Path) -> keras.Model:
    if not callable(getattr(model, "save", None)) or not hasattr(model, "layers"):
        raise ModelError(f"Expected a Keras model or the path of one, not a {type(model).__name__}")
    _check_weights(model)
    path = folder / "model.keras"
    try:
        model.save(path)
    except (ValueError, TypeError, NotImplementedError, AttributeError, RuntimeError) as error:
        raise ModelError(f"The model cannot be saved: {' '.join(str(error).split())[:300]}") from None
    try:
        return load_model_file(path)
    except ModelError as error:
        raise ModelError(f"The model cannot be used: {str(error).removeprefix(f'Cannot load {path}: ')}") from None


def _check_weights(model: Any) -> None:
    for layer in model.layers:
        if any(not np.isfinite(weight).all() for weight in layer.get_weights()):
            raise ModelError(f"Layer '{layer.name}' has weights that are NaN or infinite")
