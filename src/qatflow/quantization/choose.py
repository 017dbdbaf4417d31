"""How many bits the weights of each layer get: one width for all, or by measured sensitivity under a budget."""

from functools import partial

from qatflow.backend import keras
from qatflow.models.kernels import KERNELS, quantizable
from qatflow.quantization.base import Work
from qatflow.quantization.correction.graph import copied
from qatflow.quantization.deployed import Deployable, settled
from qatflow.quantization.emit import to_int8
from qatflow.quantization.fake_quant import Grids, initial_steps, own_outputs
from qatflow.quantization.fold import fold
from qatflow.quantization.overrides import override_of
from qatflow.quantization.plan import Plan, plan_outputs
from qatflow.quantization.sensitivity import LayerSensitivity, Probe, sensitivities
from qatflow.quantization.spikes import calibrated
from qatflow.quantization.widths import allocate
from qatflow.tflite.convert import convert_float

Widths = dict[str, int]
NARROW = 4
"""Bits that a layer of mixed widths can come down to."""
DEPTHWISE = keras.layers.DepthwiseConv2D


def uniform(bits: int, model: keras.Model, work: Work) -> Widths:  # noqa: ARG001 (as every rule is called)
    """Return `bits` for every layer, but 8 for depthwise kernels.

    These have a few weights a channel: 4 bits save next to nothing there, and cost more accuracy than all other layers
    together (docs/quantization.md).
    """
    return {layer.name: 8 if isinstance(layer, DEPTHWISE) else bits for layer in quantizable(model)}


def within_budget(model: keras.Model, work: Work) -> Widths:
    """Return 4 or 8 bits for each layer: the least total loss within `mixed.size_ratio` of the int8 flatbuffer.

    Raises:
        ParamsError: If no choice meets the budget; the message names the nearest that can be met.
    """
    found, base = measured(model, work)
    budget = int(len(base) * work.settings.mixed.size_ratio)
    fixed = {entry.layer: override_of(entry.layer, work.layers) for entry in found}
    given = sum(entry.bytes_saved for entry in found if fixed[entry.layer] == NARROW)
    free = [entry for entry in found if fixed[entry.layer] is None]
    return uniform(8, model, work) | allocate(free, size_bytes=len(base) - given, byte_budget=budget)


def by_sensitivity(model: keras.Model, work: Work) -> list[str]:
    """Return the layers whose weights can have 4 bits, the least sensitive to that first."""
    narrow = {name for name, bits in uniform(4, model, work).items() if bits == 4}
    entries = sorted(measured(model, work)[0], key=lambda entry: entry.loss)
    return [entry.layer for entry in entries if entry.layer in narrow]


def measured(model: keras.Model, work: Work) -> tuple[list[LayerSensitivity], bytes]:
    """Return the sensitivity of every layer to 4 bits, calibrated and untrained, and the all-8-bit flatbuffer.

    Args:
        model: Canonical model; batch normalization in it is folded first.
        work: Gives calibration and validation samples.
    """
    flat = fold(model, tuple(KERNELS))
    outputs = plan_outputs(flat)
    found, _ = calibrated(flat, own_outputs(Plan({}, outputs)), work, work.settings.calibration)
    build = partial(_flatbuffer, flat, Plan({}, outputs), Grids({}, found), work)
    x, y = work.data.val.arrays(limit=work.settings.mixed.probe_samples)
    probe = Probe(x, y, work.data.task, convert_float(flat))
    names = [layer.name for layer in quantizable(flat)]
    base = build({})
    costs = sensitivities(lambda widths: build(dict(widths)) if widths else base, names, probe, progress=work.progress)
    work.sensitivity[:] = costs
    return costs, base


def _flatbuffer(flat: keras.Model, plan: Plan, grids: Grids, work: Work, widths: Widths) -> bytes:
    bits = uniform(8, flat, work) | widths
    steps = {
        name: initial_steps(layer := flat.get_layer(name), width, per_channel=not isinstance(layer, keras.layers.Dense))
        for name, width in bits.items()
    }
    quantized = Deployable(copied(flat), Plan(bits, plan.outputs), Grids(steps, grids.ranges))
    return to_int8("INT8", settled(quantized), work.calibration())
