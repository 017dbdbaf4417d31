"""Strategies with fake-quants: calibrated only, or trained."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from qatflow.artifacts import Array
from qatflow.backend import keras
from qatflow.compression import COMPRESSIONS
from qatflow.compression.base import Compression
from qatflow.compression.promise import require_kept
from qatflow.params.quantize import QatParams
from qatflow.quantization.absorb import settle
from qatflow.quantization.base import History, Trained, Work
from qatflow.quantization.canonical import canonical
from qatflow.quantization.compressed import code_rules, compress, on_few_levels, promises_of, rules_for
from qatflow.quantization.correction.equalization import equalize
from qatflow.quantization.deployed import (
    Deployable,
    bias_corrected,
    float_kept,
    folded,
    on_converters_grid,
    settled,
    shortened,
)
from qatflow.quantization.fake_quant import Grids, Learn, build, grids_of, initial_steps, own_outputs, weights_of
from qatflow.quantization.overrides import floats_of, require_width, with_overrides
from qatflow.quantization.parity import ParityMonitor
from qatflow.quantization.plan import Fixed, Plan, plan_outputs
from qatflow.quantization.progressive import LAST, Descend
from qatflow.quantization.reach import Reach
from qatflow.quantization.rounding import with_learned_rounding
from qatflow.quantization.spikes import calibrated
from qatflow.quantization.statistics import reestimate
from qatflow.quantization.trace import Trace
from qatflow.quantization.training import Extras, fit_fake_quant, steps_of
from qatflow.tflite.rewrite import pack, parse
from qatflow.training.distributed.group import group
from qatflow.training.quantization_aware import make_quantization_aware

layers = keras.layers
Widths = Callable[[keras.Model, Work], Mapping[str, int]]
"""Says how many bits the weights of each layer of a canonical model get."""
Order = Callable[[keras.Model, Work], Sequence[str]]
"""Names the layers whose widths come down in training, the least sensitive first."""
Convert = Callable[[Deployable, Iterable[Array]], bytes]


@dataclass(frozen=True)
class FakeQuantized:
    """Puts fake-quants where TFLite rounds, calibrates them, and perhaps trains with them.

    Attributes:
        widths: Bits of each layer's weights.
        converter: Makes the flatbuffer from the quantized model and representative samples.
        per_channel: Whether each output channel of a convolution has a step of its own; dense layers have one step.
        activations: Whether outputs are fake-quantized too.
        trained: Whether it is trained.
        descent: Order in which widths come down while it trains; None if they do not.
        compressions: Names of `compression.COMPRESSIONS`, in the order in which they apply.
    """

    widths: Widths
    converter: Convert
    per_channel: bool = True
    activations: bool = True
    trained: bool = True
    descent: Order | None = None
    compressions: tuple[str, ...] = ()

    def compress(self, model: keras.Model, work: Work) -> tuple[keras.Model, History]:
        """Return the model made smaller; see `Strategy`."""
        return compress(model, self._plugs(work), work) if self.compressions else (model, [])

    def prepare(self, model: keras.Model, work: Work) -> Deployable:
        """Return the model on calibrated grids; see `Strategy`."""
        wanted = work.settings.corrections
        if not self.activations:
            require_width(work.label, work.layers, 8)
        if self.trained:
            make_quantization_aware(work.settings.training, 1)  # to refuse unknown settings before the work begins
        work = replace(work, reach=work.surveyed(model, 8 if self.activations else 16))
        flat = canonical(model, folded=self._folded(work))
        if not self.trained and wanted.equalize:
            flat = equalize(flat)
        widths = self.widths(flat, work)
        plan = Plan(with_overrides(work.label, widths, work.layers), plan_outputs(flat) if self.activations else {})
        grids, reach = self._calibrated(flat, plan, work)
        floats = floats_of(flat, work.layers)
        prepared = self._promised(Deployable(flat, plan, grids, reach=reach, floats=floats), work)
        if wanted.adaround and self.descent is None:
            prepared = with_learned_rounding(prepared, work)
        if self.trained:
            return prepared
        reference = settle(flat, {}) if wanted.bias else None
        return on_converters_grid(settled(replace(prepared, reference=reference)))

    def train(self, prepared: Deployable, model: keras.Model, work: Work) -> Trained:
        """Train; see `Strategy`."""
        if not self.trained:
            return Trained(prepared, [])
        work = replace(work, reach=prepared.reach)
        network = student(prepared, work.settings.training)
        trace = Trace(network)
        callbacks = [
            trace,
            *self._descent(network, prepared, work),
            *(
                [ParityMonitor(network, prepared, self.converter, work)]
                if work.settings.training.parity_samples
                else []
            ),
        ]
        rules = [*rules_for(network, self._plugs(work)), *code_rules(network, work.settings.compression)]
        history = fit_fake_quant(network, model, work, Extras(rules, callbacks))
        reestimate(network, work)
        return Trained(self.finished(network, prepared), history, trace.record())

    def finished(self, network: keras.Model, prepared: Deployable) -> Deployable:
        """Return what a fake-quant model has learned; it may learn on. `prepared.model` takes its weights."""
        weights_of(network, prepared.model)
        quantized = folded(replace(prepared, grids=grids_of(network, prepared.plan)))
        if self.compressions:
            quantized = shortened(quantized)
        return on_converters_grid(quantized)

    def convert(self, quantized: Deployable, representative: Iterable[Array]) -> bytes:
        """Return the flatbuffer; see `Strategy`."""
        samples = list(quantized.reach.clip(representative))
        flatbuffer = bias_corrected(float_kept(self.converter(quantized, samples), quantized), quantized, samples)
        if not quantized.promises:
            return flatbuffer
        return require_kept(pack(parse(flatbuffer)), quantized.promises)  # repacked: it travels as fewer bytes

    def _plugs(self, work: Work) -> list[Compression]:
        return [COMPRESSIONS[name](work.settings.compression) for name in self.compressions]

    def _promised(self, prepared: Deployable, work: Work) -> Deployable:
        """Return the model with the codes of its weights, and what its flatbuffer is to show: what the model has."""
        plugs = self._plugs(work)
        asked = promises_of(prepared.model, plugs)
        promises = {name: promise for name, promise in asked.items() if name not in prepared.floats}
        return replace(prepared, grids=on_few_levels(prepared, plugs), promises=promises)

    def _folded(self, work: Work) -> bool:
        return not (self.trained and self.per_channel and work.settings.training.batch_norm != "fold")

    def _calibrated(self, model: keras.Model, plan: Plan, work: Work) -> tuple[Grids, Reach]:
        steps = {
            name: initial_steps(
                model.get_layer(name), bits, per_channel=self._has_channels(model.get_layer(name), bits, work)
            )
            for name, bits in plan.weights.items()
        }
        found, reach = calibrated(model, own_outputs(plan), work, work.settings.calibration)
        return Grids(steps, found), reach

    def _has_channels(self, layer: keras.layers.Layer, bits: int, work: Work) -> bool:
        """Tell whether a layer has a step a channel; with those of dense layers only 8 bits survive conversion.

        Then the converter chooses the steps, and codes would not survive.
        """
        dense = bits == 8 and work.settings.dense == "per_channel" and "cluster" not in self.compressions
        return self.per_channel and (dense or not isinstance(layer, layers.Dense))

    def _descent(self, network: keras.Model, prepared: Deployable, work: Work) -> list[Descend]:
        if self.descent is None:
            return []
        steps = steps_of(work) * work.settings.training.epochs
        narrow = [name for name in self.descent(prepared.model, work) if prepared.plan.weights.get(name) == LAST]
        return [Descend(network, narrow, steps)]


def student(prepared: Deployable, settings: QatParams) -> keras.Model:
    """Return the fake-quant model that trains, made in the scope of the present group."""
    with group().scope():
        learn = Learn(steps=True, ranges=settings.learn_ranges)
        network = group().synchronize(build(prepared.model, _in_training(prepared), prepared.grids, learn))
    if settings.batch_norm == "freeze":
        freeze_statistics(network)
    return network


def freeze_statistics(network: keras.Model) -> None:
    """Let batch normalization use its statistics as they are; its gain and shift still train."""
    for layer in network.layers:
        inner = getattr(layer, "layer", layer)
        if isinstance(inner, layers.BatchNormalization):
            inner.trainable = False


def _in_training(prepared: Deployable) -> Plan:
    """Return the plan without the rounding of the last output: the loss takes exact probabilities."""
    last = prepared.model.output_names[0]
    outputs = {k: v for k, v in prepared.plan.outputs.items() if not (k == last and isinstance(v, Fixed))}
    return Plan(prepared.plan.weights, outputs)
