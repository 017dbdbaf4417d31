"""What a compressed flatbuffer must show in its own weights, and whether it does. Needs no TensorFlow."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from qatflow.artifacts import Array
from qatflow.compression.sparsity import FOUR, TWO, grouped
from qatflow.errors import ConversionError
from qatflow.tflite.inspect import LayerWeights, layer_weights


@dataclass(frozen=True)
class Promise:
    """Of one layer of a flatbuffer.

    Attributes:
        zeros: Least count of weights that are 0.
        fours: Whether two at least of each four consecutive weights along the input channels are 0.
        distinct: Most values that the stored integers have; None for any count.
        weights: Most weights; None for any count.
    """

    zeros: int = 0
    fours: bool = False
    distinct: int | None = None
    weights: int | None = None


NOTHING = Promise()


def joined(first: Promise, second: Promise) -> Promise:
    """Return the promise of both."""
    return Promise(
        zeros=max(first.zeros, second.zeros),
        fours=first.fours or second.fours,
        distinct=_least(first.distinct, second.distinct),
        weights=_least(first.weights, second.weights),
    )


def require_kept(flatbuffer: bytes, promises: Mapping[str, Promise]) -> bytes:
    """Return the flatbuffer if each layer shows what was promised.

    Raises:
        ConversionError: If not; the message names the layers, what they were to have and what they have.
    """
    if promises:
        found = {layer.name: layer for layer in layer_weights(flatbuffer)}
        lost = [line for name, promise in promises.items() for line in _lost(name, promise, found.get(name))]
        if lost:
            raise ConversionError(f"The flatbuffer lost what compression gave the model: {'; '.join(lost[:5])}")
    return flatbuffer


def _lost(name: str, promise: Promise, found: LayerWeights | None) -> Iterator[str]:
    if found is None:
        yield f"it has no layer '{name}'"
        return
    q = found.integers
    zeros, distinct = int(np.sum(q == 0)), len(np.unique(q))
    if zeros < promise.zeros:
        yield f"'{name}' has {zeros} zeros of {q.size} weights instead of {promise.zeros}"
    if zeros == q.size:
        yield f"'{name}' has no weight but zeros"
    if promise.fours and not _two_of_each_four(q):
        yield f"'{name}' has fours of weights with fewer than two zeros"
    if promise.distinct is not None and distinct > promise.distinct:
        yield f"'{name}' has {distinct} distinct weights instead of {promise.distinct}"
    if promise.weights is not None and q.size > promise.weights:
        yield f"'{name}' has {q.size} weights instead of {promise.weights}"


def _two_of_each_four(q: Array) -> bool:
    return bool(np.all(np.sum(grouped(q, FOUR) == 0, axis=1) >= TWO))


def _least(first: int | None, second: int | None) -> int | None:
    given = [count for count in (first, second) if count is not None]
    return min(given, default=None)
