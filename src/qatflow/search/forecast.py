"""What a candidate will weigh at least and how long its training will take, before it is made."""

from collections.abc import Iterable
from time import monotonic

from qatflow.backend import keras
from qatflow.data.prepared import PreparedData
from qatflow.params import TrainingParams
from qatflow.search.names import weight_bits
from qatflow.search.trial import Trial
from qatflow.tflite.inspect import inventory, layer_weights
from qatflow.training.fit import LOSSES

TIMED_STEPS = 4
FAKE_QUANT_COST = 1.5
"""Fake-quant training over float training, the same steps; stock tfmot measured 1.25 to 1.4."""


def least_bytes(float_model: bytes, bits: int) -> int:
    """Return a lower bound for the flatbuffer's size with all layers' weights in `bits` bits.

    Everything else is taken to weigh what it does in the float flatbuffer; scales come on top in a real one.
    """
    floats = inventory(float_model)["weight_bytes"].get("FLOAT32", 0)
    weights = sum(layer.values.size for layer in layer_weights(float_model))
    return len(float_model) - min(floats, 4 * weights) + weights * bits // 8


class Sizes:
    """What candidates will weigh at least.

    Equal widths of weights weigh the same within some percent, so a measured candidate speaks for all others of its
    width. Without one, the bound comes from the float model's weights.
    """

    def __init__(self, float_model: bytes) -> None:
        self._float_model = float_model

    def bound(self, strategy: str, trials: Iterable[Trial]) -> int:
        """Return the bytes that `strategy` will need at least, in view of what was measured."""
        bits = weight_bits(strategy)
        twins = [trial.size_bytes for trial in trials if trial.size_bytes and weight_bits(trial.strategy) == bits]
        return min(twins) if twins else least_bytes(self._float_model, bits)


def training_seconds(model: keras.Model, data: PreparedData, training: TrainingParams) -> float:
    """Return how long quantization-aware training will take, from a few timed steps of a copy of the float model.

    Args:
        model: The float model; it is left alone.
        data: Its training split is trained on, and its validation split run through after each epoch.
        training: Epochs and batch size.
    """
    copy = keras.models.clone_model(model)
    copy.compile("sgd", LOSSES[data.task])
    x, y = data.train.arrays(training.batch_size)
    y = x if data.task == "anomaly" else y
    started = monotonic()
    copy.train_on_batch(x, y)
    start_s, started = monotonic() - started, monotonic()
    for _ in range(TIMED_STEPS):
        copy.train_on_batch(x, y)
    step_s = (monotonic() - started) / TIMED_STEPS
    steps = -(-data.train.count // training.batch_size) + data.val.count / training.batch_size / 3
    return FAKE_QUANT_COST * (2 * start_s + training.epochs * steps * step_s)
