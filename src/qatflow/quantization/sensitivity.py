"""What it costs to store one layer's weights in other than 8 bits, measured on flatbuffers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from qatflow.artifacts import Array
from qatflow.evaluation.latency import interleaved_latency
from qatflow.evaluation.layers import sqnr_db
from qatflow.evaluation.metrics import judged
from qatflow.progress import Progress, silent
from qatflow.quantization.fidelity import kl_divergence, noise_ratio, task_score
from qatflow.tflite.runtime import Runner

Build = Callable[[Mapping[str, int]], bytes]
"""Makes the flatbuffer, untrained and calibrated, with the named layers at these weight bits and all others at 8."""


@dataclass(frozen=True)
class LayerSensitivity:
    """What changes when one layer alone has `bits` instead of 8.

    Attributes:
        layer: Name of the Keras layer.
        bits: 4, or 32 for a layer that stays float.
        accuracy_drop: Loss of the task's score, see `fidelity.task_score`; negative for a gain.
        sqnr_db: Of the outputs against those of the all-8-bit flatbuffer; None if there is no difference.
        sqnr_float_db: The same against the float flatbuffer.
        kl_nats: Mean KL divergence of the class distributions from the float model's; None unless classification.
        loss: Added distance from the float model, for `widths.allocate`: KL divergence in nats for classification,
            else the noise-to-signal ratio; the all-8-bit flatbuffer's is subtracted. Roughly additive over layers.
        bytes_saved: Of the flatbuffer; negative for growth.
        latency_us: Change of the median latency; 0 unless timed.
    """

    layer: str
    bits: int
    accuracy_drop: float
    sqnr_db: float | None
    sqnr_float_db: float | None
    kl_nats: float | None
    loss: float
    bytes_saved: int
    latency_us: float


@dataclass(frozen=True, eq=False)
class Probe:
    """The samples that layers are probed with.

    Attributes:
        x: Preprocessed inputs, (n, *shape) float32; some hundred are enough.
        y: Their targets, (n, …).
        task: Name in `evaluation.tasks.TASKS`.
        float_model: The float flatbuffer.
    """

    x: Array
    y: Array
    task: str
    float_model: bytes

    @cached_property
    def float_outputs(self) -> Array:
        """What the float model says, (n, …) float32."""
        return Runner(self.float_model).predict(self.x)

    def distance(self, outputs: Array) -> float:
        """Return how far outputs are from the float model's: mean KL in nats, or the noise-to-signal ratio."""
        if self.task != "classification":
            return noise_ratio(self.float_outputs, outputs)
        return kl_divergence(*(judged(self.task, self.x, each) for each in (self.float_outputs, outputs)))

    def score(self, outputs: Array) -> float:
        """Return the task's score of outputs."""
        return task_score(self.task, self.x, self.y, outputs)


def sensitivities(
    build: Build,
    layers: Sequence[str],
    probe: Probe,
    *,
    bits: int = 4,
    latency_runs: int = 0,
    progress: Progress = silent,
) -> list[LayerSensitivity]:
    """Return one entry for each layer, in the order given, from one flatbuffer a layer.

    Without `latency_runs` nothing is timed, and equal models give equal results.

    Args:
        build: Makes the flatbuffers.
        layers: Names of the layers to probe.
        probe: Samples and the float model.
        bits: Width that each layer gets alone: 4 or 32.
        latency_runs: Timed invokes of each flatbuffer, interleaved.
        progress: Told after each layer.

    Raises:
        ConversionError: If a flatbuffer cannot be made or run.
    """
    models = [build({})]
    base = Runner(models[0]).predict(probe.x)
    outputs: list[Array] = []
    for done, layer in enumerate(layers, 1):
        models.append(build({layer: bits}))
        outputs.append(Runner(models[-1]).predict(probe.x))
        progress(f"probing layers at {bits} bits", done, len(layers))
    times = _medians(models, probe, latency_runs)
    return [
        _compare(probe, (layer, bits), (base, alone), (len(models[0]) - len(model), time - times[0]))
        for layer, alone, model, time in zip(layers, outputs, models[1:], times[1:], strict=True)
    ]


def _compare(
    probe: Probe, what: tuple[str, int], outputs: tuple[Array, Array], gains: tuple[int, float]
) -> LayerSensitivity:
    base, alone = outputs
    distance = probe.distance(alone)
    return LayerSensitivity(
        layer=what[0],
        bits=what[1],
        accuracy_drop=probe.score(base) - probe.score(alone),
        sqnr_db=sqnr_db(base, alone - base),
        sqnr_float_db=sqnr_db(probe.float_outputs, alone - probe.float_outputs),
        kl_nats=distance if probe.task == "classification" else None,
        loss=distance - probe.distance(base),
        bytes_saved=gains[0],
        latency_us=gains[1],
    )


def _medians(models: Sequence[bytes], probe: Probe, runs: int) -> list[float]:
    if not runs:
        return [0.0] * len(models)
    return [times.p50 for times in interleaved_latency(models, probe.x[:1], threads=1, runs=runs)]
