"""Which weights go: masks of zeros by magnitude, one by one or in patterns that hardware can use. NumPy only.

Weights come in rows (r, n) as the flatbuffer stores them: consecutive along the input channels.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from qatflow.artifacts import Array

Mask = npt.NDArray[np.bool_]
"""True where a weight stays."""
FOUR, TWO = 4, 2


def stored(kernel: Array) -> Array:
    """Return a kernel (…, i, o) in rows of consecutive input channels, (o * …, i)."""
    return np.moveaxis(kernel, -1, 0).reshape(-1, kernel.shape[-2])


def unstored(rows: Array, shape: tuple[int, ...]) -> Array:
    """Return rows of `stored` as a kernel of its shape."""
    *before, outputs = shape
    return np.moveaxis(rows.reshape(outputs, *before), 0, -1)


def blocks(rows: Array, sparsity: float, block: int) -> Mask:
    """Return the mask without the `sparsity` of all blocks of consecutive weights whose sum of squares is least.

    The count is rounded down; ties go to the earlier block. Weights left over at the end of a row stay. Blocks of 1
    are plain magnitude pruning (Han et al., "Learning both Weights and Connections", 2015), longer ones those of
    Narang, Undersander and Diamos, "Block-Sparse Recurrent Neural Networks", 2017.
    """
    groups, rest = grouped(rows, block), _left_over(rows, block)
    keep = ~_smallest(np.square(groups).sum(axis=1), sparsity)
    return _ungrouped(np.repeat(keep, block).reshape(groups.shape), rest)


def two_of_four(rows: Array, sparsity: float) -> Mask:
    """Return the mask that keeps the two largest of each four weights in a row; those left over at its end all stay.

    Mishra et al., "Accelerating Sparse Deep Neural Networks", 2021. While `sparsity` is below a half, the fours come in
    by what they lose, the least first.
    """
    groups, rest = grouped(rows, FOUR), _left_over(rows, FOUR)
    order = np.argsort(np.abs(groups), axis=1, kind="stable")[:, :TWO]
    lost = np.square(np.take_along_axis(groups, order, axis=1)).sum(axis=1)
    treated = _smallest(lost, min(1.0, sparsity * FOUR / TWO))
    keep = np.ones(groups.shape, bool)
    np.put_along_axis(keep, order, np.repeat(~treated, TWO).reshape(-1, TWO), axis=1)
    return _ungrouped(keep, rest)


def adaptive(kernels: Sequence[Array], sparsity: float) -> list[Mask]:
    """Return masks, of the kernels' shapes, without the `sparsity` of all weights whose `lamp_scores` are least."""
    scores = np.concatenate([lamp_scores(kernel) for kernel in kernels])
    keep = np.split(~_smallest(scores, sparsity), np.cumsum([kernel.size for kernel in kernels])[:-1])
    return [mask.reshape(kernel.shape) for mask, kernel in zip(keep, kernels, strict=True)]


def lamp_scores(kernel: Array) -> npt.NDArray[np.float64]:
    """Return each weight's square over the sum of squares of those of its layer that are no smaller, (n,) float64.

    Compared across layers they leave more weights to layers that have few: the largest of a layer has 1. Lee et al.,
    "Layer-adaptive Sparsity for the Magnitude-based Pruning", 2021, equation 5.
    """
    squares = np.square(kernel.ravel(), dtype=np.float64)
    order = np.argsort(squares, kind="stable")
    rest = np.cumsum(squares[order][::-1])[::-1]
    scores = np.zeros(squares.shape)
    scores[order] = squares[order] / np.maximum(rest, np.finfo(np.float64).tiny)
    return scores


PATTERNS: Mapping[str, Callable[[Array, float, int], Mask]] = {
    "unstructured": lambda rows, sparsity, _: blocks(rows, sparsity, 1),
    "2:4": lambda rows, sparsity, _: two_of_four(rows, sparsity),
    "block": blocks,
}


def grouped(rows: Array, size: int) -> Array:
    """Return the whole groups of consecutive weights along the last axis, (g, size)."""
    return rows[..., : rows.shape[-1] // size * size].reshape(-1, size)


def _left_over(rows: Array, size: int) -> Mask:
    """Return ones for the weights of each row behind its whole groups."""
    return np.ones((len(rows), rows.shape[1] % size), bool)


def _ungrouped(keep: Mask, rest: Mask) -> Mask:
    return np.concatenate([keep.reshape(len(rest), -1), rest], axis=1)


def _smallest(sizes: Array, share: float) -> Mask:
    """Return where the `share` smallest of sizes (n,) are, their count rounded down."""
    chosen = np.zeros(sizes.shape, bool)
    chosen[np.argsort(sizes, kind="stable")[: int(share * len(sizes) + 1e-9)]] = True
    return chosen
