"""Expected gradients of the float Keras model. The one module of this room that needs TensorFlow; import it late."""

import numpy as np
import numpy.typing as npt

from qatflow.artifacts import Array
from qatflow.backend import keras, tf

STEPS = 32
"""Points on the way from a filler to the sample."""
BATCH = 256


class Gradients:
    """Attributes a Keras model's outputs to the values of its input.

    Args:
        model: The float model; one input, one output.
        task: Name in `evaluation.tasks.TASKS`; the output of `anomaly` is the reconstruction error.
    """

    def __init__(self, model: keras.Model, task: str) -> None:
        signature = [tf.TensorSpec([None, *model.input_shape[1:]], tf.float32), tf.TensorSpec([], tf.int32)]
        self._model, self._task = model, task
        self._traced = tf.function(self._slopes, input_signature=signature)

    def __call__(self, x: Array, fill: Array, output: int) -> npt.NDArray[np.float64]:
        """Return what each value adds to an output, of the input's shape.

        The gradient times the way, averaged over the straight ways from all fillers (b, *shape) to the sample (*shape):
        integrated gradients (Sundararajan et al., ICML 2017) against each filler, whose mean are expected gradients
        (Erion et al., Nature Machine Intelligence 3:620, 2021). Their sum is nearly the output less its mean over the
        fillers, as with Shapley values.
        """
        shares = ((np.arange(STEPS, dtype=np.float32) + 0.5) / STEPS).reshape(-1, *(1,) * fill.ndim)
        points = (fill + shares * (x - fill)).reshape(-1, *x.shape)
        parts = [self._traced(points[start : start + BATCH], output).numpy() for start in range(0, len(points), BATCH)]
        slopes = np.concatenate(parts).reshape(STEPS, *fill.shape).mean(axis=0, dtype=np.float64)
        return np.asarray((slopes * (x - fill)).mean(axis=0))

    def _slopes(self, x: tf.Tensor, output: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch(x)
            answers = tf.gather(_answers(self._task, x, self._model(x, training=False)), output, axis=1)
        return tape.gradient(answers, x)


def _answers(task: str, x: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
    """Do as `evaluation.metrics.judged` does, (n, outputs)."""
    flat = tf.reshape(outputs, [tf.shape(outputs)[0], -1])
    if task == "classification" and flat.shape[1] == 1:
        return tf.concat([1 - flat, flat], axis=1)
    if task != "anomaly":
        return flat
    return tf.reduce_mean((tf.reshape(x, tf.shape(flat)) - flat) ** 2, axis=1, keepdims=True)
