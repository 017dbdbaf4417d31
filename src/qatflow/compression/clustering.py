"""Weight clustering: a layer's weights share a few values, so that its flatbuffer compresses.

The values are levels of the layer's grid, in steps: weights of all channels share them, while each channel keeps its
step. They lie symmetrically about 0, which is one of them, so that pruned weights keep theirs and folding a negative
gain into a channel makes no new ones. tfmot clusters the float weights of a layer instead; one step a channel then
makes more integers of them than there were clusters (its issue 1056).

What travels is coded by entropy, as zstd does, and for that even levels are near the best: many weights share the small
ones (Gish and Pierce, "Asymptotically Efficient Quantizing", 1968). K-means spends its levels where the weights are,
which makes all of them about as frequent: a smaller squared error, and more bytes. Even levels are 1, 2, ... in every
layer, so that one code serves for the whole file, and training moves their steps by gradient.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from qatflow.artifacts import Array
from qatflow.backend import keras, tf
from qatflow.compression.base import Compression, Promises, followed
from qatflow.compression.promise import Promise
from qatflow.data.prepared import PreparedData
from qatflow.training.quantization_aware import Rule

MOMENTUM = 0.02
"""Of the moving averages that levels follow their weights with."""
ROUNDS = 50
"""Of Lloyd's algorithm at most."""


@dataclass(frozen=True)
class Cluster(Compression):
    """A few values in place of all levels of the grid."""

    def even_levels(self, top: int) -> int | None:
        """Return the number of pairs, where they lie evenly."""
        return self._pairs(top) if self.settings.spacing == "even" else None

    def codes(self, scaled: Array, top: int) -> Array | None:
        """Return the levels nearest to the weights in the least squares."""
        return np.minimum(lloyd(np.abs(scaled).ravel(), self._pairs(top)), np.float32(top))

    def _pairs(self, top: int) -> int:
        return min((self.settings.clusters - 1) // 2, top)

    def shrink(self, model: keras.Model, data: PreparedData) -> keras.Model:  # noqa: ARG002
        """Return the model itself. A layer of fewer weights than clusters has no more values than weights anyway.

        Raises:
            ParamsError: If the model shares layers.
        """
        followed(model)
        return model

    def promises(self, model: keras.Model) -> Promises:
        """Return the distinct values of each layer."""
        return {layer.name: Promise(distinct=self.settings.clusters) for layer in followed(model)}


class FollowWeights(Rule):
    """Lets levels follow the weights that round to them: a moving average of Lloyd's step (Lloyd, 1982).

    Args:
        kernel: The kernel.
        quantizer: That of the kernel, a `quantization.quantizers.WeightQuantizer` with codes.
    """

    def __init__(self, kernel: Any, quantizer: Any) -> None:
        super().__init__(kernel)
        self._quantizer = quantizer

    def hold(self) -> None:
        """Move each level that has weights towards their mean."""
        codes = self._quantizer.variables["codes"]
        scaled = tf.reshape(tf.abs(self.kernel / self._quantizer.step_of(self.kernel)), [-1])
        nearest = index_of(scaled, codes)
        ones, count = tf.ones_like(scaled), codes.shape[0] + 1
        sums, sizes = (tf.math.unsorted_segment_sum(each, nearest, count)[1:] for each in (scaled, ones))
        means = tf.where(sizes > 0, sums / tf.maximum(sizes, 1), codes)
        codes.assign_add(MOMENTUM * (tf.minimum(means, self._quantizer.variables["top"]) - codes))


def levels_of(codes: Any) -> Any:
    """Return 0 and the rounded codes, (m + 1,)."""
    return tf.concat([[0.0], tf.round(codes)], axis=0)


def index_of(scaled: Any, codes: Any) -> Any:
    """Return for each of scaled (n,) >= 0 the index of the nearest of 0 and the rounded codes (m,), int32."""
    levels = levels_of(codes)
    return tf.searchsorted((levels[1:] + levels[:-1]) / 2, scaled)


def nearest_code(scaled: Any, codes: Any) -> Any:
    """Return the level of sign and size nearest to each of scaled, of any shape: 0 or plus or minus a rounded code."""
    sizes = tf.gather(levels_of(codes), index_of(tf.reshape(tf.abs(scaled), [-1]), codes))
    return tf.sign(scaled) * tf.reshape(sizes, tf.shape(scaled))


def lloyd(sizes: Array, count: int) -> Array:
    """Return `count` levels > 0, ascending, that with 0 have a low squared distance to sizes (n,) >= 0; float32.

    Begins with even quantiles, so that equal sizes give equal levels.
    """
    positive = sizes[sizes > 0]
    levels = np.quantile(positive, (np.arange(count) + 0.5) / count) if positive.size else np.arange(count) + 1.0
    for _ in range(ROUNDS):
        nearest = np.searchsorted((levels + np.concatenate([[0.0], levels[:-1]])) / 2, sizes)
        totals, counts = (np.bincount(nearest, weights, count + 1)[1:] for weights in (sizes, None))
        moved = np.where(counts > 0, totals / np.maximum(counts, 1), levels)
        if np.allclose(moved, levels):
            break
        levels = moved
    return np.asarray(np.maximum.accumulate(levels), np.float32)
