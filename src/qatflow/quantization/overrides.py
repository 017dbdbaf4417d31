"""Widths that a user gives single layers: `quantize.layers`, glob patterns over Keras names -> 4, 8 or float."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase

from qatflow.backend import keras
from qatflow.errors import ParamsError, nearest
from qatflow.models.flatten import flatten
from qatflow.models.kernels import KERNELS
from qatflow.models.split import SEPARABLE
from qatflow.params.quantize import Width

Overrides = Mapping[str, Width | None]
"""Every layer of the user's model with a kernel -> what the user wants of it; None for nothing."""
FLOAT = "float"


def overrides_of(model: keras.Model, wanted: Mapping[str, Width]) -> Overrides:
    """Return what is wanted of each layer of a float model that has a kernel. Of several patterns the last counts.

    Raises:
        ParamsError: If a pattern is no such layer's; the message names the nearest ones.
    """
    if not wanted:
        return {}
    kinds = (*KERNELS, *SEPARABLE)
    every = [layer.name for layer in flatten(model).layers]
    names = [layer.name for layer in flatten(model).layers if type(layer) in kinds and len(layer.inbound_nodes) == 1]
    for pattern in wanted:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise ParamsError(_unknown(pattern, names, every))
    found: dict[str, Width | None] = dict.fromkeys(names)
    for pattern, width in wanted.items():
        found |= {name: width for name in names if fnmatchcase(name, pattern)}
    return found


def override_of(name: str, overrides: Overrides) -> Width | None:
    """Return what is wanted of a layer of a canonical model, which may be a part of the user's: `sep_depthwise`."""
    if name in overrides:
        return overrides[name]
    origins = [origin for origin in overrides if name.startswith(f"{origin}_")]
    return overrides[max(origins, key=len)] if origins else None


def with_overrides(strategy: str, widths: Mapping[str, int], overrides: Overrides) -> dict[str, int]:
    """Return the widths that a strategy gives layers, but for those that the user gives; float ones are left out.

    Raises:
        ParamsError: If no layer is left with a width that the strategy's name promises.
    """
    wanted = {name: override_of(name, overrides) or bits for name, bits in widths.items()}
    found = {name: width for name, width in wanted.items() if width != FLOAT}
    narrow = min(widths.values(), default=None)
    if narrow is not None and narrow not in found.values():
        raise ParamsError(
            f"{strategy}: quantize.layers leaves no layer of {narrow} bits: {_listed(wanted)}. Leave out a pattern, or "
            "take a strategy of other widths"
        )
    return {name: int(width) for name, width in found.items()}


def require_width(strategy: str, overrides: Overrides, bits: int) -> None:
    """Check that only `bits`, the one width of a strategy whose grids the converter chooses, or float is wanted.

    Raises:
        ParamsError: If not; the message names the layers.
    """
    others = {name: width for name, width in overrides.items() if width not in {None, bits, FLOAT}}
    if others:
        raise ParamsError(
            f"{strategy}: all weights have {bits} bits, but quantize.layers wants {_listed(others)}; take ptq_w4a8, "
            "qat_w8a8_per_channel, qat_w4a8 or qat_mixed, which give each layer its own width"
        )


def floats_of(flat: keras.Model, overrides: Overrides) -> frozenset[str]:
    """Return the layers of a canonical model that stay float, both parts of a separable convolution too."""
    kinds = (*KERNELS, keras.layers.DepthwiseConv1D)
    return frozenset(
        layer.name for layer in flat.layers if type(layer) in kinds and override_of(layer.name, overrides) == FLOAT
    )


def _unknown(pattern: str, names: list[str], every: list[str]) -> str:
    known = ", ".join(names)
    if any(fnmatchcase(name, pattern) for name in every):
        lacks = "a layer whose weights have no width to choose; those that have one"
        return f"quantize.layers names '{pattern}', {lacks}: {known}"
    close = nearest(pattern.strip("*?"), names)
    return f"quantize.layers names '{pattern}', which is no layer of the model.{close} Known: {known}"


def _listed(widths: Mapping[str, object]) -> str:
    return ", ".join(f"'{name}': {width}" for name, width in widths.items())
