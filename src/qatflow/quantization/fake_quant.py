"""Builds fake-quant models from a flat float model, a plan and grids, and reads their grids back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from qatflow.artifacts import Array
from qatflow.backend import keras, tf
from qatflow.models.activations import rectifies
from qatflow.models.kernels import KERNELS, columns, kernel_of
from qatflow.quantization.calibration import Range
from qatflow.quantization.canonical import INPUT_GRID
from qatflow.quantization.grid import full_steps, levels, mse_steps
from qatflow.quantization.plan import Fixed, Own, Plan, Tied
from qatflow.quantization.planned import LayerConfig, PlannedScheme
from qatflow.quantization.quantizers import RangeQuantizer, TiedQuantizer, TwoSteps, WeightQuantizer

layers = keras.layers


@dataclass(frozen=True, eq=False)
class Grids:
    """The grids of a fake-quant model, by names of layers.

    Attributes:
        steps: Layer -> steps of its weights, (c,) or () float32.
        ranges: Layer -> range of its output.
        codes: Layer -> the only levels that its weights may have besides 0, see `WeightQuantizer`; they matter while it
            trains, then its weights have them.
    """

    steps: Mapping[str, Array]
    ranges: Mapping[str, Range]
    codes: Mapping[str, Array] = field(default_factory=dict)


@dataclass(frozen=True)
class Learn:
    """Which grids are trained: weights' steps, activations' ranges."""

    steps: bool = False
    ranges: bool = False


NOTHING = Learn()
NO_GRIDS = Grids({}, {})


def initial_steps(layer: Any, bits: int, *, per_channel: bool, method: str = "mse", top: int | None = None) -> Array:
    """Return steps for a layer's weights: (c,) per channel, () for the tensor; `top` is the highest level, if fewer."""
    values = columns(layer) if per_channel else columns(layer).reshape(-1, 1)
    steps = mse_steps(values, top or levels(bits)) if method == "mse" else full_steps(values, bits)
    return steps if per_channel else steps.reshape(())


def build(
    model: keras.Model,
    plan: Plan,
    grids: Grids,
    learn: Learn = NOTHING,
    device: Mapping[str, TwoSteps] | None = None,
) -> keras.Model:
    """Return a fake-quant copy of a flat float model.

    Args:
        model: The model that `plan` is for.
        plan: Where fake-quants go.
        grids: Where they start.
        learn: Which grids are trained.
        device: How the device rounds outputs of layers, to round so too; None to round as the converter expects.
    """
    outputs: dict[str, Any] = {}
    for name in (layer.name for layer in model.layers if layer.name in plan.outputs):  # origins before what is tied
        kind = plan.outputs[name]
        if isinstance(kind, Tied):
            outputs[name] = TiedQuantizer(outputs[kind.to], as_device=device is not None)
            continue
        fixed = isinstance(kind, Fixed) or name == INPUT_GRID  # else the first layer must back-propagate to the data
        low, high = (kind.low, kind.high) if isinstance(kind, Fixed) else grids.ranges[name]
        rounding = (device or {}).get(name)
        outputs[name] = RangeQuantizer(low, high, learned=learn.ranges and not fixed, rounding=rounding)
    weights = {
        name: WeightQuantizer(bits, grids.steps[name], learned=learn.steps, codes=grids.codes.get(name))
        for name, bits in plan.weights.items()
    }
    configs = {name: LayerConfig(weights.get(name), outputs.get(name)) for name in plan.layers}
    clipped = {name for name in own_outputs(plan) if learn != NOTHING and _clips_like_relu(model, grids, name)}
    return PlannedScheme(configs, clipped).wrap(model)


def _clips_like_relu(model: keras.Model, grids: Grids, name: str) -> bool:
    """Tell whether a layer's ReLU does nothing that its output's quantizer does not: in training that saves a pass."""
    return grids.ranges[name][0] == 0 and rectifies(model.get_layer(name))


def own_outputs(plan: Plan) -> list[str]:
    """Return the layers whose output ranges are calibrated."""
    return [name for name, kind in plan.outputs.items() if isinstance(kind, Own)]


def wrappers(model: keras.Model) -> dict[str, Any]:
    """Return the layers of a fake-quant model that hold quantizers, by the name of the layer inside."""
    return {layer.layer.name: layer for layer in model.layers if hasattr(layer, "quantize_config")}


def weights_of(model: keras.Model, into: keras.Model) -> None:
    """Copy the float weights of a fake-quant model into the flat float model that it was built from.

    Weights that have codes are put on them: nothing behind the training knows codes.
    """
    for layer in model.layers:
        if not hasattr(layer, "quantize_config"):
            into.get_layer(layer.name).set_weights(layer.get_weights())
            continue
        held = {_own_name(variable): variable for variable in layer.weights}  # tfmot moved the kernel to the wrapper
        copy = into.get_layer(layer.layer.name)
        for variable in copy.weights:
            variable.assign(held[_own_name(variable)])
        quantizer = layer.quantize_config.weights
        if quantizer is not None and quantizer.codes is not None:
            kernel = kernel_of(copy)
            kernel.assign(tf.reshape(quantizer(kernel, False, quantizer.variables), kernel.shape))


def kernels_of(model: keras.Model) -> dict[str, Any]:
    """Return the kernel variables of a model, float or fake-quant, by the name of their layer."""
    found = {}
    for layer in model.layers:
        inner = getattr(layer, "layer", layer)
        if type(inner) in KERNELS:
            found[inner.name] = next(v for v in layer.weights if _own_name(v) == f"{KERNELS[type(inner)]}:0")
    return found


def quantized_kernels(model: keras.Model) -> dict[str, tuple[Any, WeightQuantizer]]:
    """Return kernel variable and quantizer of each layer of a fake-quant model whose weights have one."""
    kernels = kernels_of(model)
    quantizers = {name: wrapper.quantize_config.weights for name, wrapper in wrappers(model).items()}
    return {name: (kernels[name], quantizer) for name, quantizer in quantizers.items() if quantizer is not None}


def _own_name(variable: Any) -> str:
    return str(variable.name).rpartition("/")[2]


def grids_of(model: keras.Model, plan: Plan) -> Grids:
    """Return the present grids of a fake-quant model."""
    held = wrappers(model)
    return Grids(
        steps={name: held[name].quantize_config.weights.present_steps() for name in plan.weights},
        ranges={name: held[name].quantize_config.output.present_range() for name in own_outputs(plan)},
    )
