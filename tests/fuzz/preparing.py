"""Ways in which models prepare their input, each with the data that go with it.

The values behind the preparation are always about standard normal; `raw` turns such values into what the model takes,
so that each preparation meets the data that it was made for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tests.fuzz.drawing import Array, Draw


@dataclass(frozen=True)
class Preparation:
    """Layers at the input of a model, and the data in front of them.

    Attributes:
        name: As it would be said.
        raw: From values (n, *shape) about standard normal to the data that the model takes.
        apply: Adds the layers.
    """

    name: str
    raw: Callable[[Array], Array]
    apply: Callable[[Draw, Any], Any]


def _pixels(z: Array) -> Array:
    return np.clip(np.rint(z * 40 + 127.5), 0, 255).astype(np.float32)


def _tabled(z: Array) -> Array:
    """Features of different units."""
    scale = 10.0 ** np.linspace(-2, 2, z.shape[-1])
    return (z * scale + 3 * scale).astype(np.float32)


def _adapted(draw: Draw, x: Any) -> Any:
    raw = _tabled(np.random.default_rng(5).normal(size=(200, *x.shape[1:])))
    axes = tuple(range(raw.ndim - 1))
    return draw.layer("Normalization", x, mean=raw.mean(axes).tolist(), variance=raw.var(axes).tolist())


def _padded(draw: Draw, x: Any) -> Any:
    x = draw.layer("Rescaling", x, scale=1 / 40, offset=-127.5 / 40)
    return draw.layer(f"ZeroPadding{len(x.shape) - 2}D", x, padding=1) if len(x.shape) > 2 else x


def _twice(draw: Draw, x: Any) -> Any:
    return draw.layer("Rescaling", draw.layer("Rescaling", x, scale=1 / 255), scale=255 / 40, offset=-127.5 / 40)


def _operators(draw: Draw, x: Any) -> Any:
    draw.recipe.append("(x - 127.5) / 40")
    return (x - 127.5) / 40.0


PREPARATIONS = (
    Preparation("as it is", lambda z: z.astype(np.float32), lambda _, x: x),
    Preparation("from 0 to 1", lambda z: _pixels(z) / 255, lambda _, x: x),
    Preparation("Rescaling(1/255)", _pixels, lambda draw, x: draw.layer("Rescaling", x, scale=1 / 255)),
    Preparation(
        "Rescaling(1/127.5, -1)", _pixels, lambda draw, x: draw.layer("Rescaling", x, scale=1 / 127.5, offset=-1.0)
    ),
    Preparation("Rescaling and padding", _pixels, _padded),
    Preparation("two Rescalings", _pixels, _twice),
    Preparation("operators", _pixels, _operators),
    Preparation("Normalization", _tabled, _adapted),
    Preparation(
        "BatchNormalization",
        lambda z: (z * 7 + 30).astype(np.float32),
        lambda draw, x: draw.layer("BatchNormalization", x, momentum=0.6),
    ),
    Preparation(
        "a small scale",
        lambda z: (z * 1e-3).astype(np.float32),
        lambda draw, x: draw.layer("Rescaling", x, scale=1000.0),
    ),
)
