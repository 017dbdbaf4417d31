"""The fake-quant model that keeps learning: a step at a time, and a flatbuffer of it whenever one is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from qatflow.artifacts import Array
from qatflow.backend import keras, tf
from qatflow.errors import ModelError, ParamsError
from qatflow.models.widen import head_of, widened
from qatflow.params.online import OnlineParams
from qatflow.params.quantize import QatParams
from qatflow.quantization.deployed import Deployable
from qatflow.quantization.fake_quant import Grids
from qatflow.quantization.fake_quantized import FakeQuantized, student
from qatflow.quantization.run import find_strategy
from qatflow.training.quantization_aware import make_quantization_aware
from qatflow.training.recovery import has_random_layers, variables_of

Floats = npt.NDArray[np.float32]


def learning_strategy(name: str) -> FakeQuantized:
    """Return the strategy of a name, if it can go on learning.

    Raises:
        ParamsError: If there is none, it is not trained, or it keeps zeros, clusters or widths that learning would not.
    """
    strategy = find_strategy(name)
    if not isinstance(strategy, FakeQuantized) or not strategy.trained:
        raise ParamsError(
            f"Strategy '{name}' is not trained, so it cannot learn from a stream; qat_w8a8_per_channel can"
        )
    if strategy.compressions or strategy.descent is not None:
        raise ParamsError(
            f"Strategy '{name}' compresses, or changes widths, while it trains; a stream has no end to have that done "
            "by. Choose qat_w8a8_per_channel, qat_w4a8 or qat_mixed"
        )
    return strategy


class Learner:
    """A classifier that learns in steps. Equal steps from an equal state give an equal state, bit for bit.

    Args:
        name: Of the strategy; see `learning_strategy`.
        start: Quantized model to begin with; its float model takes the learned weights.
        settings: Section `online` of params.yaml.
        classes: Number of classes; it may grow.
        seed: Of random layers.

    Raises:
        ParamsError: If the strategy cannot learn from a stream, or there is no such optimizer.
    """

    def __init__(self, name: str, start: Deployable, settings: OnlineParams, classes: int, seed: int) -> None:
        self._strategy, self._first, self._seed = learning_strategy(name), start, seed
        self._settings, self._first_classes = _qat(settings), classes
        self._build(classes)

    def _build(self, classes: int) -> None:
        """Make the network and its optimizer anew, for so many classes."""
        self.classes = classes
        self._start = self._first if classes == self._first_classes else wide(self._first, classes)
        self.network = student(self._start, self._settings)
        self._boost = tf.Variable(1.0, trainable=False)
        self._optimizer = make_quantization_aware(self._settings, 1, factor=self._boost)
        self.network.compile(self._optimizer, loss="categorical_crossentropy")
        self._optimizer.build(self.network.trainable_variables)
        self._is_random = has_random_layers(self.network)
        self._step = tf.function(self._take_step)

    def check_growth(self) -> None:
        """Raise ModelError if the model's head takes no further classes."""
        head_of(self._first.model)

    def grow(self, classes: int) -> None:
        """Go on with further classes; what was learned stays. New outputs begin as the mean of the others.

        Raises:
            ModelError: If the model's head takes no further classes.
        """
        before = self.state()
        self._build(classes)
        shapes = {name: tuple(variable.shape) for name, variable in variables_of(self.network).items()}
        self._assign({name: _grown(name, before[name], shape) for name, shape in shapes.items()})

    def learn(self, x: Floats, labels: Array, boost: float = 1.0) -> float:
        """Make one step and return its loss.

        Args:
            x: (n, *input shape) float32, preprocessed. Every step has the same n, else TensorFlow builds a graph anew.
            labels: (n,) class ids.
            boost: Factor of both learning rates.

        Raises:
            ModelError: If the loss is NaN or infinite; the state is lost, and the last checkpoint is to be taken.
        """
        self._boost.assign(boost)
        loss = float(self._step(tf.constant(x), tf.one_hot(labels, self.classes)))
        if not np.isfinite(loss):
            raise ModelError("Online learning lost the model: the loss is NaN or infinite; lower online.learning_rate")
        return loss

    def _take_step(self, x: Any, y: Any) -> Any:
        """Do what Keras' `train_on_batch` does, without its data set of one batch, which takes a third of the time."""
        with tf.GradientTape() as tape:
            loss = self.network.compute_loss(x, y, self.network(x, training=True))
        self._optimizer.minimize(loss, self.network.trainable_variables, tape)
        return loss

    def begin_segment(self, number: int) -> None:
        """Give random layers a seed of their own between two checkpoints: TensorFlow's state cannot be kept."""
        if self._is_random:
            keras.utils.set_random_seed((self._seed * 1_000_003 + number) % 2**31)
            self._step = tf.function(self._take_step)

    def flatbuffer(self, representative: Array) -> bytes:
        """Return what the model has learned so far, converted; it may learn on.

        Raises:
            ConversionError: If the flatbuffer would not be what the strategy's name promises.
        """
        return self._strategy.convert(self._strategy.finished(self.network, self._start), representative)

    def state(self) -> dict[str, Array]:
        """Return weights, quantizers' ranges and all of the optimizer."""
        return {name: variable.numpy() for name, variable in variables_of(self.network).items()}

    def restore(self, state: Mapping[str, Array], classes: int) -> None:
        """Go on from what `state` returned when there were so many classes.

        Raises:
            ModelError: If it is the state of another model.
        """
        if classes != self.classes:
            self._build(classes)
        self._assign(state)

    def _assign(self, state: Mapping[str, Array]) -> None:
        own: dict[str, Any] = variables_of(self.network)
        if own.keys() != state.keys() or any(own[name].shape != state[name].shape for name in own):
            raise ModelError("This checkpoint holds the state of another model; choose another --state, or remove it")
        for name, variable in own.items():
            variable.assign(state[name])


def wide(start: Deployable, classes: int) -> Deployable:
    """Return a quantized model with outputs for further classes.

    Raises:
        ModelError: If its head takes none.
    """
    head = head_of(start.model).name
    steps = dict(start.grids.steps)
    if head in steps and np.ndim(steps[head]):
        steps[head] = _extended(steps[head], classes, float(np.mean(steps[head])))
    return replace(start, model=widened(start.model, classes), grids=Grids(steps, start.grids.ranges))


def _grown(name: str, value: Array, shape: tuple[int, ...]) -> Array:
    """Return a variable of the smaller network in the shape of the wider one: weights by their mean, slots by zeros."""
    if value.shape == shape:
        return value
    return _extended(value, shape[-1], value.mean(axis=-1, keepdims=True) if name.startswith("weight") else 0.0)


def _extended(value: Array, size: int, filling: Any) -> Array:
    more = np.broadcast_to(filling, (*value.shape[:-1], size - value.shape[-1]))
    return np.concatenate([value, more.astype(value.dtype)], axis=-1)


def _qat(settings: OnlineParams) -> QatParams:
    """Return the settings of a training without an end: a constant rate and no teacher."""
    shared = ("optimizer", "optimizer_settings", "learning_rate", "grid_learning_rate", "learn_ranges")
    values = {name: getattr(settings, name) for name in shared}
    return QatParams(**values, schedule="constant", distillation=0.0, batch_norm="freeze")
