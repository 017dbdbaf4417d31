"""Brings the config of a model from training into the form in which it serves: float32, and without augmentation."""

from collections.abc import Iterator
from typing import Any

from qatflow.errors import ModelError

AUGMENTATIONS = frozenset(
    {f"Random{what}" for what in ("Brightness", "ColorDegeneration", "ColorJitter", "Contrast", "ElasticTransform")}
    | {f"Random{what}" for what in ("Erasing", "Flip", "GaussianBlur", "Grayscale", "Height", "Hue", "Invert")}
    | {f"Random{what}" for what in ("Perspective", "Posterization", "Rotation", "Saturation", "Sharpness", "Shear")}
    | {f"Random{what}" for what in ("Translation", "Width", "Zoom")}
    | {"AugMix", "CutMix", "MixUp", "RandAugment", "Solarization"}
)
"""Layers that change samples in training, and pass them on when the model is asked (seen in Keras 3.15, tf_keras)."""
REGULARIZERS = frozenset({"ActivityRegularization", "AlphaDropout", "SpatialDropout3D"})
"""The same, of those that quantizers do not know; Dropout and the like stay, for training goes on with them."""
PICTURES = frozenset({"CenterCrop", "Resizing"})
FLOATS = frozenset({"bfloat16", "float16", "float64", "half", "mixed_bfloat16", "mixed_float16"})
POLICIES = frozenset({"DTypePolicy", "DTypePolicyMap", "FloatDTypePolicy", "Policy"})


def serving_form(config: Any, notes: list[str]) -> Any:
    """Return a model's JSON config, of Keras 2 or 3, with float32 in place of other floats and without augmentation.

    Args:
        config: Nested dicts and lists.
        notes: Gets a sentence for each kind of change.

    Raises:
        ModelError: If Keras quantized the model.
    """
    left_out: list[str] = []
    floats: set[str] = set()
    changed = _changed(config, left_out, floats)
    notes += _sentences(left_out, floats)
    return changed


def _sentences(left_out: list[str], floats: set[str]) -> Iterator[str]:
    if floats:
        yield f"the model computes in {', '.join(sorted(floats))}; float32 takes its place, from which it is quantized"
    if left_out:
        yield (
            f"{', '.join(left_out)} {'act' if len(left_out) > 1 else 'acts'} in training only and "
            f"{'are' if len(left_out) > 1 else 'is'} left out, from further training too"
        )


def _changed(value: Any, left_out: list[str], floats: set[str]) -> Any:
    if isinstance(value, list):
        return [_changed(item, left_out, floats) for item in value]
    if not isinstance(value, dict):
        return value
    if value.get("class_name") in AUGMENTATIONS | REGULARIZERS and _is_kerass_own(value):
        left_out.append(f"'{value['config'].get('name', value['class_name'])}' ({value['class_name']})")
        value = _identity(value)
    elif value.get("class_name") in PICTURES:
        value = {**value, "inbound_nodes": _asked(value.get("inbound_nodes", []))}
    return {
        key: _float32(item, floats) if key == "dtype" else _changed(item, left_out, floats)
        for key, item in value.items()
    }


def _is_kerass_own(layer: dict[str, Any]) -> bool:
    package = str(layer.get("module") or "keras").partition(".")[0]
    return package in {"keras", "tf_keras"} and layer.get("registered_name") in {None, layer["class_name"]}


def _identity(layer: dict[str, Any]) -> dict[str, Any]:
    """Return what stands for a layer that passes on its input; it has no place among the weights."""
    config = {"name": layer["config"].get("name"), "trainable": False, "dtype": "float32", "activation": "linear"}
    nodes = {"inbound_nodes": _asked(layer["inbound_nodes"])} if "inbound_nodes" in layer else {}
    named = {"name": layer["name"]} if "name" in layer else {}
    return {"module": "keras.layers", "class_name": "Activation", "config": config, "is_operator": True} | named | nodes


def _asked(calls: list[Any]) -> list[Any]:
    """Return calls without `training=True`, which Keras 3 writes for each layer of this kind and overrules when asked.

    In Keras 2 it stands there only where somebody wrote it, and holds.
    """
    return [
        {**call, "kwargs": {key: value for key, value in call["kwargs"].items() if key != "training"}}
        if isinstance(call, dict)
        else call
        for call in calls
    ]


def _float32(dtype: Any, floats: set[str]) -> Any:
    """Return a dtype, or a policy of dtypes by its name."""
    if isinstance(dtype, dict):
        kind, settings = dtype.get("class_name"), dtype.get("config", {})
        if "Quantized" in str(kind):
            raise ModelError(f"Keras quantized it ({settings.get('mode', kind)}); save it before model.quantize()")
        if kind not in POLICIES:
            return dtype
        dtype = settings.get("name") or settings.get("default_policy") or "float32"
        return _float32(dtype, floats)
    if dtype in FLOATS:
        floats.add(str(dtype))
        return "float32"
    return dtype
