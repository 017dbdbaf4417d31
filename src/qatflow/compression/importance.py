"""How much a loss depends on each channel (Molchanov et al., "Importance Estimation for Neural Network Pruning", 2019).

What a reader of channel j computes is linear in its weights for j, so the first-order change of the loss when the
channel vanishes is the sum of weight * gradient over them. Equation 8 of the paper squares it; several readers of one
channel act together, so their sums are added first.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from qatflow.backend import keras, tf
from qatflow.compression.channels import PRODUCERS, Channels
from qatflow.data.prepared import PreparedData
from qatflow.training.losses import loss_of

SAMPLES, BATCH_SIZE = 1024, 8


def importances(model: keras.Model, channels: Channels, data: PreparedData) -> npt.NDArray[np.float64]:
    """Return the importance of each of a flat model's channels, by number, (channels.count,) float64.

    Args:
        model: Trained; its loss on the first training samples is what counts.
        channels: Of the model.
        data: Gives the samples.
    """
    readers = [layer for layer in model.layers if type(layer) in PRODUCERS and layer.name in channels.inputs]
    total = np.zeros(channels.count)
    for effects in _effects(model, [layer.kernel for layer in readers], data):
        change = np.zeros(channels.count)
        for layer, of_inputs in zip(readers, effects, strict=True):
            np.add.at(change, channels.inputs[layer.name], of_inputs)
        total += change**2
    return total


def _effects(model: keras.Model, kernels: list[Any], data: PreparedData) -> list[list[Any]]:
    """Return for each batch and kernel the sums of weight * gradient by input channel."""
    loss = keras.losses.get(loss_of(data.task, model.output_shape[-1]))

    @tf.function(reduce_retracing=True)
    def effects(x: Any, y: Any) -> list[Any]:
        with tf.GradientTape() as tape:
            value = tf.reduce_mean(loss(y, model(x, training=False)))
        gradients = tape.gradient(value, kernels)
        products = [kernel * gradient for kernel, gradient in zip(kernels, gradients, strict=True)]
        return [tf.reduce_sum(each, [*range(each.shape.rank - 2), -1]) for each in products]

    x, y = data.train.arrays(limit=SAMPLES)
    targets = x if data.task == "anomaly" else y
    starts = range(0, len(x), BATCH_SIZE)
    return [[each.numpy() for each in effects(x[i : i + BATCH_SIZE], targets[i : i + BATCH_SIZE])] for i in starts]
