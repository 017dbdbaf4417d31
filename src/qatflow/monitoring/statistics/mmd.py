"""Maximum mean discrepancy of whole inputs: sees what no single feature shows. Its p-value is by permutation."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from qatflow.artifacts import Array
from qatflow.monitoring.kernel import rbf
from qatflow.monitoring.reference import Reference
from qatflow.monitoring.statistics.base import Outcome, Window

SAMPLES = 128
"""Of a window at most; more cost time and are spread over it."""
PERMUTATIONS, BLOCK = 1999, 64
ENOUGH = 10
ROUNDING = 1e-7


def mmd(reference: Reference, window: Window) -> Outcome | None:
    """Compare the inputs with the reference's reservoir, if they were kept."""
    if window.embedded is None:
        return None
    rows = np.unique(np.linspace(0, len(window) - 1, min(SAMPLES, len(window))).astype(int))
    found = window.embedded[rows]
    between = rbf(reference.reservoir, found, reference.gamma)
    kernel = np.block([[reference.kernel, between], [between.T, rbf(found, found, reference.gamma)]])
    return Outcome(*discrepancy_and_p(kernel, len(found), window.rng()))


def discrepancy_and_p(kernel: Array, n: int, rng: np.random.Generator) -> tuple[float, float]:
    """Return the squared MMD of two samples, without the kernel's diagonal, and its p-value.

    With weights v of 1/n for one sample and -1/m for the other it is v'Kv (Gretton et al., JMLR 13, 2012); permutations
    are columns of weights, so that one matrix product tries 64. Drawing stops at 10 exceedances: p is then 10 by
    the number drawn, as valid as that of all 1999 (Besag and Clifford, Biometrika 78:2, 1991).

    Args:
        kernel: (m + n, m + n) float32; the last n rows are the window.
        n: Samples of the window.
        rng: Of the permutations.
    """
    total = len(kernel)
    start = rng.permutation(total)  # permutations are kept from call to call; each call begins elsewhere
    weights = _weights(total, n, -1)[:, 0]
    diagonal = float(weights @ weights)  # the same for every permutation
    value = float(weights @ kernel @ weights) - diagonal
    exceedances = drawn = 0
    for block in range(-(-PERMUTATIONS // BLOCK)):
        columns = _weights(total, n, block)[start][:, : PERMUTATIONS - drawn]
        found = np.einsum("ij,ij->j", columns, kernel @ columns) - diagonal >= value - ROUNDING
        places = np.flatnonzero(found)
        if exceedances + len(places) >= ENOUGH:
            return value, ENOUGH / (drawn + int(places[ENOUGH - exceedances - 1]) + 1)
        exceedances, drawn = exceedances + len(places), drawn + columns.shape[1]
    return value, (exceedances + 1) / (PERMUTATIONS + 1)


@lru_cache(maxsize=128)
def _weights(total: int, n: int, block: int) -> Array:
    """Return columns of weights (total, BLOCK) float32; those of block -1 are of the samples as they are."""
    weights = np.full((total, 1), -1.0 / (total - n), np.float32)
    weights[total - n :] = 1.0 / n
    if block < 0:
        return weights
    rng = np.random.default_rng((total, n, block))
    return np.stack([rng.permutation(weights[:, 0]) for _ in range(BLOCK)], axis=1)
