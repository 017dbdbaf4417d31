"""Learned rounding of weights with few levels (AdaRound) in a planned model, as its end or as the start of training."""

from dataclasses import replace

import numpy as np

from qatflow.artifacts import Array
from qatflow.backend import keras
from qatflow.models.kernels import KERNELS, columns
from qatflow.quantization.base import Work
from qatflow.quantization.correction.adaround import adaround
from qatflow.quantization.correction.graph import copied
from qatflow.quantization.deployed import Deployable, folded
from qatflow.quantization.fold import gain_of, norms_of
from qatflow.quantization.grid import levels
from qatflow.quantization.quantizers import highest

ROUNDED = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D, keras.layers.Dense)
"""Layers whose rounding can be learned."""


def with_learned_rounding(prepared: Deployable, work: Work) -> Deployable:
    """Return the model with weights of 15 levels or fewer on their grids, rounded so that outputs change least.

    Rounding is learned with batch normalization folded; where the model still has it, each q goes back into the
    unfolded kernel, whose channels may point the other way.
    """
    model = prepared.model
    tops = {name: highest(bits, prepared.grids.codes.get(name)) for name, bits in prepared.plan.weights.items()}
    names = [name for name, top in tops.items() if top <= levels(4) and type(model.get_layer(name)) in ROUNDED]
    if not names:
        return prepared
    whole = folded(prepared)
    steps = {name: whole.grids.steps[name] for name in names}
    iterations = work.settings.corrections.rounding_iterations
    learned = adaround(whole.model, steps, tops, work.calibration(), iterations=iterations, seed=work.seed)
    rounded = copied(model)
    norms = norms_of(model, tuple(KERNELS))
    for name in names:
        q = np.rint(columns(learned.get_layer(name)) / steps[name])
        signs = np.sign(gain_of(norms[name])) if name in norms else np.ones(1, np.float32)
        kernel = getattr(rounded.get_layer(name), KERNELS[type(model.get_layer(name))])
        before, grid = columns(model.get_layer(name)), prepared.grids.steps[name]
        kernel.assign(np.reshape(_unlike_pruned(q * signs * grid, before, grid), kernel.shape))
    return replace(prepared, model=rounded)


def _unlike_pruned(rounded: Array, before: Array, steps: Array) -> Array:
    """Return rounded weights of a pruned layer; those that only rounding made 0 keep a little of themselves.

    Training holds exact zeros, which are the pruned weights, and is to let the others grow again.
    """
    little = np.clip(before, -steps / 4, steps / 4)
    return np.where(rounded == 0, little, rounded) if np.any(before == 0) else rounded
