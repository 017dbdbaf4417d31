"""What a candidate will weigh at least and how long its training will take, before it is made."""

import math
from collections.abc import Iterable, Mapping
from time import monotonic

from qatflow.artifacts import Array
from qatflow.backend import keras
from qatflow.data.prepared import PreparedData
from qatflow.models.kernels import quantizable
from qatflow.params.compression import CompressionParams
from qatflow.params.quantize import QuantizeParams
from qatflow.params.training import TrainingParams
from qatflow.quantization.canonical import canonical
from qatflow.quantization.correction.adaround import adaround
from qatflow.quantization.fake_quant import initial_steps
from qatflow.quantization.grid import levels
from qatflow.search.decide import bytes_of
from qatflow.search.names import compressions_of, weight_bits
from qatflow.search.options import Goal
from qatflow.search.trial import Trial
from qatflow.tflite.inspect import inventory, layer_weights
from qatflow.training.losses import loss_of

TIMED_STEPS = 4
ROUNDING_PROBES = (10, 100)
"""Iterations of AdaRound that are timed."""
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
    width; compression takes a share off. Without one, the bound comes from the float model's weights.

    Args:
        float_model: The float flatbuffer.
        goal: Says which bytes count.
        settings: Of compression.
    """

    def __init__(self, float_model: bytes, goal: Goal, settings: CompressionParams) -> None:
        self._float_model, self._goal, self._settings = float_model, goal, settings

    def bound(self, strategy: str, trials: Iterable[Trial]) -> int:
        """Return the bytes that `strategy` will need at least, in view of what was measured."""
        bits = weight_bits(strategy)
        twins = [trial for trial in trials if trial.size_bytes and weight_bits(trial.strategy) == bits]
        plain = [bytes_of(trial, self._goal) for trial in twins if not compressions_of(trial.strategy)]
        whole = min(plain) if plain else least_bytes(self._float_model, bits)
        return int(whole * math.prod(self._share(name, bits) for name in compressions_of(strategy)))

    def _share(self, compression: str, bits: int) -> float:
        """Return the share of a model's bytes that a compression leaves at least."""
        settings = self._settings
        if compression == "structured":
            return 1 - settings.channels
        if compression == "low_rank":
            return settings.energy / 2
        if not self._goal.compressed:
            return 1.0  # zeros and repeated weights take as much flash as others
        return 1 - settings.sparsity if compression == "prune" else min(1.0, math.log2(settings.clusters) / bits)


def training_seconds(model: keras.Model, data: PreparedData, training: TrainingParams) -> float:
    """Return how long quantization-aware training will take, from a few timed steps of a copy of the float model.

    Args:
        model: The float model; it is left alone.
        data: Its training split is trained on, and its validation split run through after each epoch.
        training: Epochs and batch size.
    """
    copy = keras.models.clone_model(model)
    copy.compile("sgd", loss_of(data.task, model.output_shape[-1]))
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


def rounding_seconds(model: keras.Model, data: PreparedData, settings: QuantizeParams) -> float:
    """Return how long `ptq_w4a8` will learn the rounding of weights, from two short runs; 0 if it does not.

    Args:
        model: The float model; it is left alone.
        data: Its training split calibrates.
        settings: Say whether rounding is learned, and on how many samples.
    """
    if not settings.corrections.adaround:
        return 0.0
    flat = canonical(model, folded=True)
    steps = {
        layer.name: initial_steps(layer, 4, per_channel=not isinstance(layer, keras.layers.Dense))
        for layer in quantizable(flat)
    }
    samples, _ = data.train.arrays(settings.calibration_samples)
    few_s, more_s = (_adaround_seconds(flat, steps, samples, count) for count in ROUNDING_PROBES)
    each_s = max(0.0, more_s - few_s) / (ROUNDING_PROBES[1] - ROUNDING_PROBES[0])
    return few_s + each_s * settings.corrections.rounding_iterations


def _adaround_seconds(flat: keras.Model, steps: Mapping[str, Array], samples: Array, iterations: int) -> float:
    started = monotonic()
    adaround(flat, steps, dict.fromkeys(steps, levels(4)), samples, iterations=iterations)
    return monotonic() - started
