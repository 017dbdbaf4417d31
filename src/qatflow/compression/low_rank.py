"""Low-rank factors of dense layers: two thin kernels in place of one, by the singular value decomposition."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from qatflow.artifacts import Array
from qatflow.backend import keras
from qatflow.compression.base import Compression, Promises, counted
from qatflow.data.prepared import PreparedData
from qatflow.errors import ParamsError
from qatflow.models.rebuild import Part, copied, rebuild

layers = keras.layers
WORTHWHILE = 0.75
"""Share of a layer's weights that its factors may have at most."""


@dataclass(frozen=True)
class LowRank(Compression):
    """Two thin dense layers in place of one (Xue, Li and Gong, 2013: SVD of trained layers)."""

    trains_float: ClassVar[bool] = True

    def shrink(self, model: keras.Model, data: PreparedData) -> keras.Model:  # noqa: ARG002
        """Return the model with each dense layer as `layer_factor` and `layer`, where that saves weights.

        Raises:
            ParamsError: If it does for none.
        """
        found = {
            layer.name: rank
            for layer in model.layers
            if type(layer) is layers.Dense
            if (rank := saving_rank(layer.kernel.numpy(), self.settings.energy)) is not None
        }
        if not found:
            raise ParamsError(
                f"no dense layer of {model.name} has factors that keep {self.settings.energy:g} of its squared weights "
                f"in {WORTHWHILE:g} of its size; use another strategy, or lower compression.energy (of quantize in "
                "params.yaml, of Options.settings in Python)"
            )

        def replace(layer: Any) -> Sequence[Part]:
            return _factors(layer, found[layer.name]) if layer.name in found else [copied(layer)]

        return rebuild(model, replace)

    def promises(self, model: keras.Model) -> Promises:
        """Return the number of weights of each dense layer."""
        return counted(layer for layer in model.layers if type(layer) is layers.Dense)


def saving_rank(kernel: Array, energy: float) -> int | None:
    """Return the least rank that keeps `energy` of the sum of squares of a kernel (n, m); None if it saves too little.

    By Eckart and Young (1936) the truncated decomposition keeps the most of all matrices of its rank.
    """
    squares = np.square(np.linalg.svd(kernel.astype(np.float64), compute_uv=False))
    rank = int(np.searchsorted(np.cumsum(squares), energy * squares.sum()) + 1)
    return rank if rank * sum(kernel.shape) <= WORTHWHILE * kernel.size else None


def _factors(layer: Any, rank: int) -> Sequence[Part]:
    kernel, *bias = layer.get_weights()
    left, sizes, right = np.linalg.svd(kernel.astype(np.float64), full_matrices=False)
    root = np.sqrt(sizes[:rank])
    thin = layers.Dense(rank, use_bias=False, name=f"{layer.name}_factor", dtype=layer.get_config()["dtype"])
    first, second = (np.asarray(each, np.float32) for each in (left[:, :rank] * root, root[:, None] * right[:rank]))
    return [Part(thin, [first]), Part(copied(layer).layer, [second, *bias])]
