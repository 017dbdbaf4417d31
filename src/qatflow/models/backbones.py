"""Pretrained models to transfer from, by where they come from; their features, and a new head on them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from qatflow.artifacts import Array
from qatflow.backend import keras
from qatflow.errors import ModelError, lookup
from qatflow.models.blocks import finish
from qatflow.models.files import load_model_file
from qatflow.models.flatten import flatten
from qatflow.models.rebuild import copied, rebuild
from qatflow.models.store import load_model
from qatflow.models.user_model import check_shapes
from qatflow.params.transfer import TransferParams

layers = keras.layers
Affine = tuple[Sequence[float], Sequence[float]]
"""What was done to raw samples: x * scale + offset, each of one value or one a channel."""


class Backbone(Protocol):
    """Loads a pretrained model, with its head or without.

    It takes one sample shape and runs no code of the file's. It has whatever head it was trained with.
    """

    def __call__(self, transfer: TransferParams, input_shape: tuple[int, ...], preprocessing: Affine, /) -> keras.Model:
        """Load the model.

        Args:
            transfer: Section `transfer` of params.yaml.
            input_shape: Shape of one sample.
            preprocessing: What was done to the raw samples before the model sees them.

        Raises:
            ModelError: If there is no such model, or it cannot be loaded.
            ParamsError: If its name is not known.
        """


def _from_file(transfer: TransferParams, _shape: tuple[int, ...], _preprocessing: Affine) -> keras.Model:
    path = Path(transfer.path)
    return load_model(path) if path.is_dir() else load_model_file(path)


class Application(NamedTuple):
    """A model of keras.applications; its input is `pixel * scale + offset` of pixels 0 to 255, red first."""

    scale: float | tuple[float, ...]
    offset: float | tuple[float, ...]


_STD = (0.229, 0.224, 0.225)
_AROUND_0 = Application(1 / 127.5, -1.0)
_PIXELS = Application(1.0, 0.0)
_IMAGENET = Application(
    tuple(1 / (255 * std) for std in _STD),
    tuple(-mean / std for mean, std in zip((0.485, 0.456, 0.406), _STD, strict=True)),
)
APPLICATIONS = {
    "DenseNet121": _IMAGENET,
    "EfficientNetB0": _PIXELS,
    "EfficientNetV2B0": _PIXELS,
    "MobileNet": _AROUND_0,
    "MobileNetV2": _AROUND_0,
    "MobileNetV3Small": _PIXELS,
    "NASNetMobile": _AROUND_0,
}
RENAMED = {"outputs": "backbone_outputs"}
"""The new head takes the name."""
WITH_ALPHA = ("MobileNet", "MobileNetV2", "MobileNetV3Small")


def _from_applications(transfer: TransferParams, shape: tuple[int, ...], preprocessing: Affine) -> keras.Model:
    application = lookup("model of keras.applications", transfer.model, APPLICATIONS)
    path = Path(transfer.path)
    alpha = {"alpha": transfer.width} if transfer.model in WITH_ALPHA else {}
    build = getattr(keras.applications, transfer.model)
    source = str(path) if path.is_file() else "imagenet"
    try:
        model = build(input_shape=shape, include_top=False, weights=None if path.is_file() else source, **alpha)
        if path.is_file():
            model.load_weights(source)
    except Exception as error:  # noqa: BLE001 - a download fails in many ways
        reason = " ".join(str(error).split())[:200]
        raise ModelError(
            f"Cannot load {transfer.model} with weights {source} for samples of shape {shape}: {reason}. "
            "Without a network, let transfer.path be a local file of its weights without head (…_no_top.h5)"
        ) from None
    return _rescaled(model, application, preprocessing)


def _rescaled(model: keras.Model, application: Application, preprocessing: Affine) -> keras.Model:
    """Put in front what turns preprocessed samples into what the model was trained on."""
    before, shift = (np.array(values) for values in preprocessing)
    scale = np.array(application.scale) / before
    offset = np.array(application.offset) - shift * scale
    if np.allclose(scale, 1) and np.allclose(offset, 0):
        return model
    inputs = layers.Input(model.input_shape[1:], name="input")
    rescaled = layers.Rescaling(_plain(scale), _plain(offset), name="rescaling")(inputs)
    return keras.Model(inputs, model(rescaled), name=model.name)


def _plain(values: Array) -> float | list[float]:
    return float(values.reshape(-1)[0]) if values.size == 1 else [float(value) for value in values]


BACKBONES: dict[str, Backbone] = {"applications": _from_applications, "file": _from_file}
"""`registry` is fetched from MLflow first, and is a file then."""


def features(model: keras.Model, cut: str | None = None) -> keras.Model:
    """Return a model without its head: flat, and its output is (n, d).

    Args:
        model: With or without a head.
        cut: Layer whose output are the features; None for the input of the last dense layer if the model ends in one
            (softmax and dropout behind it count as head), else the model's own output.

    Raises:
        ModelError: If there is no such layer, or the model has several inputs or outputs.
    """
    check_shapes(model)
    flat = flatten(model)
    outputs = _before_head(flat) if cut is None else _output_of(flat, cut)
    if len(outputs.shape) == 4:
        outputs = layers.GlobalAveragePooling2D(name="transfer_pool")(outputs)
    elif len(outputs.shape) == 3:
        outputs = layers.GlobalAveragePooling1D(name="transfer_pool")(outputs)
    body = keras.Model(flat.inputs, outputs, name=model.name)
    return rebuild(body, lambda layer: [copied(layer, name=RENAMED.get(layer.name, layer.name))])


def _output_of(model: keras.Model, name: str) -> Any:
    names = [layer.name for layer in model.layers]
    if name not in names:
        raise ModelError(f"transfer.cut: {model.name} has no layer '{name}'. Its layers: {', '.join(names)}")
    return model.get_layer(name).output


def _before_head(model: keras.Model) -> Any:
    outputs = model.outputs[0]
    layer = outputs.node.layer
    while isinstance(layer, (layers.Softmax, layers.Activation, layers.Dropout)):
        layer = layer.input.node.layer
    return layer.input if isinstance(layer, layers.Dense) else outputs


def with_new_head(backbone: keras.Model, input_shape: tuple[int, ...], num_outputs: int, task: str) -> keras.Model:
    """Return the features with the task's output layer on them, not trained yet.

    Raises:
        ModelError: If the backbone takes other samples, or the task is anomaly detection.
    """
    takes = tuple(backbone.input_shape[1:])
    if takes != input_shape:
        advice = ""
        if len(takes) == len(input_shape) == 3:
            advice = (
                f"; data.image_size [{takes[0]}, {takes[1]}] makes images fit"
                if takes[2] == input_shape[2]
                else (f"; it was trained on images of {takes[2]} channels, these have {input_shape[2]}")
            )
        raise ModelError(f"the backbone takes samples of shape {takes}, the data have {input_shape}{advice}")
    return finish(f"{backbone.name}_transferred", backbone.inputs[0], backbone.outputs[0], num_outputs, task)
