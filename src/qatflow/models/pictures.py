"""Layers on pictures whose sizes are known: crops by fixed numbers, and one kind of resizing, as TFLite has them."""

from collections.abc import Sequence
from typing import Any

from qatflow.backend import keras
from qatflow.errors import ModelError
from qatflow.models.activations import passes_on
from qatflow.models.flatten import flatten
from qatflow.models.rebuild import Part, copied, rebuild

layers = keras.layers
METHODS = ("bilinear", "nearest")
REWRITTEN = (layers.CenterCrop, layers.Resizing)
Size = tuple[int, int]


def with_fixed_pictures(model: keras.Model) -> keras.Model:
    """Return a flat model that computes the same, without CenterCrop, and without what only passes on its input.

    Raises:
        ModelError: If a layer resizes in a way that TFLite has no operator for, or sizes are not known.
    """
    return rebuild(flatten(model), _fixed)


def _fixed(layer: Any) -> Sequence[Part]:
    if passes_on(layer):
        return []
    if not isinstance(layer, REWRITTEN):
        return [copied(layer)]
    size, settings = layer.input_shape[1:3], layer.get_config()
    wanted = (settings["height"], settings["width"])
    if None in size:
        raise ModelError(f"layer '{layer.name}' is a {type(layer).__name__} of pictures of no fixed size, {size}")
    if isinstance(layer, layers.CenterCrop) and wanted[0] <= size[0] and wanted[1] <= size[1]:
        return [_crop(layer.name, size, wanted)]
    if settings.get("interpolation", "bilinear") not in METHODS:
        raise ModelError(
            f"layer '{layer.name}' resizes by {settings['interpolation']}, for which TFLite has no operator; "
            f"use {' or '.join(METHODS)}"
        )
    keeps_aspect = isinstance(layer, layers.CenterCrop) or settings["crop_to_aspect_ratio"]
    crop = [_crop(f"{layer.name}_crop", size, _of_aspect(size, wanted))] if keeps_aspect else []
    method = settings.get("interpolation", "bilinear")
    return [*crop, Part(layers.Resizing(*wanted, interpolation=method, name=layer.name), [])]


def _of_aspect(size: Size, wanted: Size) -> Size:
    """Return the largest size inside one that has the aspect of another, as tf_keras' `smart_resize` does."""
    return min(size[0], int(size[1] * wanted[0] / wanted[1])), min(size[1], int(size[0] * wanted[1] / wanted[0]))


def _crop(name: str, size: Size, wanted: Size) -> Part:
    first = [(have - keep) // 2 for have, keep in zip(size, wanted, strict=True)]
    sides = [(start, have - keep - start) for start, have, keep in zip(first, size, wanted, strict=True)]
    return Part(layers.Cropping2D(sides, name=name), [])
