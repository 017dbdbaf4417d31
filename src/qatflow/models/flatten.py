"""Takes the layers of models inside a model into the model itself: quantizers see one flat graph only."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from qatflow.backend import keras
from qatflow.models.rebuild import copied, holds_graph, rebuild, unique

Path = tuple[str, ...]
"""Names of the models around a layer, from the outside in, and its own."""


def flatten(model: keras.Model) -> keras.Model:
    """Return a Functional model without models inside it that computes the same, with new layers of the same weights.

    Layers keep their names. A name that several have stays with the one of the model itself; the others get those of
    the models around them in front, as in `encoder_conv`. Layers and models that are called more than once stay shared.

    Raises:
        ModelError: If the model has no graph (see `rebuild`) or holds a layer that cannot be copied.
    """
    paths = {id(layer): (layer, path) for layer, path in _layers(model, ())}  # a shared one has its last place
    names = _names({key: path for key, (_, path) in paths.items()})
    return rebuild(model, lambda layer: [copied(layer, name=names[id(layer)])])


def _layers(model: keras.Model, outer: Path) -> Iterator[tuple[Any, Path]]:
    """Yield every layer that is no model itself, with its place; inputs of models inside vanish."""
    for layer in model.layers:
        if holds_graph(layer):
            yield from _layers(layer, (*outer, layer.name))
        elif not outer or not isinstance(layer, keras.layers.InputLayer):
            yield layer, (*outer, layer.name)


def _names(paths: dict[int, Path]) -> dict[int, str]:
    """Return a name for each place: unique, and for equal paths the same in every process."""
    counts = Counter(path[-1] for path in paths.values())
    taken = {path[0] for path in paths.values() if len(path) == 1}
    names: dict[int, str] = {}
    for key, path in paths.items():
        wanted = path[-1] if counts[path[-1]] == 1 else "_".join(path)
        names[key] = path[0] if len(path) == 1 else unique(wanted, taken)
    return names
