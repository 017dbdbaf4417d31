"""AdaRound: rounds the weights of each layer so that its output, not each weight, stays close to the float one."""

import math
from collections.abc import Iterator, Mapping

import numpy as np

from qatflow.artifacts import Array
from qatflow.backend import keras
from qatflow.errors import ModelError
from qatflow.quantization.correction.graph import copied, has_plain_kernel, outputs_of
from qatflow.quantization.correction.grouped import Grouped
from qatflow.quantization.correction.rounding import Reconstruction, learn_rounding

POSITIONS = 16_384
"""At so many random positions of all images a layer's output is compared."""
MAX_FLOATS = 1 << 25
"""Of the inputs at these positions; layers with large kernels are compared at fewer."""
IMAGES = 128
"""In one forward pass."""


def adaround(
    model: keras.Model,
    steps: Mapping[str, Array],
    tops: Mapping[str, int],
    samples: Array,
    *,
    iterations: int,
    seed: int = 0,
) -> keras.Model:
    """Return a copy of a float model with weights on the grid q * step, |q| <= top, in float32.

    Nagel et al. 2020, "Up or Down? Adaptive Rounding for Post-Training Quantization": each weight goes to the grid
    point below or above. Layers are rounded in the order of execution; the target is the float layer's output, the
    input is what the layers rounded so far give. A ReLU behind a layer is part of its output. Layers called twice,
    grouped or channels-first ones and other kinds than `fold.KERNELS` stay float.

    Args:
        model: Flat, with one input.
        steps: Layer -> positive steps, (output channels,) or () float32; layers that are missing stay float.
        tops: Layer -> highest q; for the layers of `steps`.
        samples: Representative samples, (n, *input shape) float32; 500 to 1000 are enough.
        iterations: Of each layer; half of them bring most of the gain.
        seed: Of positions and batches; the same one gives the same weights.

    Raises:
        ModelError: If the model has no layer of a name in `steps`.
    """
    if missing := sorted(set(steps) - {layer.name for layer in model.layers}):
        raise ModelError(f"{model.name} has no layer '{missing[0]}' to round; it was given steps for it")
    original, rounded, rng = copied(model), copied(model), np.random.default_rng(seed)
    for layer in rounded.layers:
        if layer.name in steps and has_plain_kernel(layer):
            grouped = Grouped(original, rounded, layer.name)
            inputs = _sampled(grouped, samples, rng)
            task = _reconstruction(grouped, inputs, steps[layer.name], tops[layer.name])
            kernel = grouped.kernel(learn_rounding(task, iterations, rng) * task.steps)
            layer.set_weights([kernel, *layer.get_weights()[1:]])
    return rounded


def _sampled(grouped: Grouped, samples: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """Return the layer's inputs float and rounded, (g, p, k), at the same positions in random order."""
    parts = list(_batches(grouped, samples, rng))
    order = rng.permutation(sum(part.shape[1] for part, _ in parts))[: _positions(grouped)]
    before, after = (np.concatenate(side, axis=1)[:, order] for side in zip(*parts, strict=True))
    return before, after


def _batches(grouped: Grouped, samples: Array, rng: np.random.Generator) -> Iterator[tuple[Array, Array]]:
    sources, each = grouped.sources(), -(-_positions(grouped) // len(samples))
    for start in range(0, len(samples), IMAGES):
        before, after = (source(samples[start : start + IMAGES], training=False).numpy() for source in sources)
        spread = math.prod(grouped.layer.compute_output_shape(before.shape)[1:-1])
        picks = np.stack([rng.permutation(spread)[:each] for _ in before])
        yield grouped.inputs(before, picks), grouped.inputs(after, picks)


def _positions(grouped: Grouped) -> int:
    groups, size, _ = grouped.weights().shape
    return max(1, min(POSITIONS, MAX_FLOATS // int(groups * size)))


def _reconstruction(grouped: Grouped, inputs: tuple[Array, Array], steps: Array, top: int) -> Reconstruction:
    before, after = inputs
    weights, channels = grouped.weights(), outputs_of(grouped.layer)
    shape = (grouped.groups, 1, channels // grouped.groups)
    bias = grouped.original.bias.numpy() if grouped.original.use_bias else np.zeros(channels, np.float32)
    return Reconstruction(
        x=np.ascontiguousarray(after),
        target=before @ weights + bias.reshape(shape),
        weights=weights,
        steps=np.broadcast_to(np.asarray(steps, np.float32), channels).reshape(shape),
        bias=bias.reshape(shape),
        top=top,
        limits=grouped.limits(),
    )
