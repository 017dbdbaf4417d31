"""Compresses a float model before it is quantized: fewer weights at once, then zeros while it trains."""

from collections.abc import Sequence
from dataclasses import replace
from functools import reduce

import numpy as np

from qatflow.artifacts import digest
from qatflow.backend import keras
from qatflow.compression.base import Compression, Promises, compressible
from qatflow.compression.clustering import FollowWeights
from qatflow.compression.promise import NOTHING, Promise, joined
from qatflow.models.flatten import flatten
from qatflow.models.kernels import columns
from qatflow.models.split import split
from qatflow.params.compression import CompressionParams
from qatflow.quantization.base import History, Work
from qatflow.quantization.canonical import check_finite
from qatflow.quantization.deployed import Deployable
from qatflow.quantization.fake_quant import Grids, initial_steps, kernels_of, quantized_kernels
from qatflow.quantization.grid import levels
from qatflow.quantization.training import Extras, fit_compressed, steps_of
from qatflow.training.distributed.group import group
from qatflow.training.quantization_aware import Rule


def compress(model: keras.Model, plugs: Sequence[Compression], work: Work) -> tuple[keras.Model, History]:
    """Return a model that all of `plugs` have made smaller, trained with the first one as teacher; it stays as it is.

    Raises:
        ModelError: If the model has no graph, or the loss became NaN or infinite.
        ParamsError: If a compression asks for what this model cannot give.
    """
    check_finite(model)
    flat = split(flatten(model))
    small = reduce(lambda smaller, plug: plug.shrink(smaller, work.data), plugs, flat)
    training = [plug for plug in plugs if plug.trains_float]
    if not training:
        return small, []
    key = digest([[type(plug).__name__ for plug in training], work.seed, work.settings.model_dump(mode="json")])
    if key not in work.compressed:
        history = _train(small, model, training, _in_float(work))
        work.compressed[key] = small.get_weights(), history
    weights, history = work.compressed[key]
    small.set_weights(weights)
    return small, history


def _train(small: keras.Model, teacher: keras.Model, plugs: Sequence[Compression], work: Work) -> History:
    epochs = work.settings.training.epochs
    with group().copied(small) as network:
        rules = rules_for(network, plugs)
        steps = steps_of(work) * epochs
        growth = [callback for plug in plugs for callback in plug.growth(rules, steps)]
        first = int(epochs * work.settings.compression.growth) if growth else 0
        return fit_compressed(network, teacher, work, Extras(rules, growth, first))


def rules_for(network: keras.Model, plugs: Sequence[Compression]) -> list[Rule]:
    """Return what `plugs` ask of the kernels of a model, float or fake-quant."""
    inner = {layer.name: layer for layer in (getattr(each, "layer", each) for each in network.layers)}
    kernels = {name: kernel for name, kernel in kernels_of(network).items() if compressible(inner[name])}
    return [rule for plug in plugs for rule in plug.rules(kernels)]


def on_few_levels(prepared: Deployable, plugs: Sequence[Compression]) -> Grids:
    """Return the grids of a model of whose weights `plugs` leave a few levels, see `Grids.codes`."""
    steps, codes = dict(prepared.grids.steps), {}
    for name, bits in prepared.plan.weights.items():
        layer, top = prepared.model.get_layer(name), levels(bits)
        for plug in plugs if compressible(layer) else ():
            if count := plug.even_levels(top):
                steps[name] = initial_steps(layer, bits, per_channel=bool(steps[name].ndim), top=count)
                codes[name] = np.arange(1, count + 1, dtype=np.float32)
            elif (found := plug.codes(columns(layer) / steps[name], top)) is not None:
                codes[name] = found
    return replace(prepared.grids, steps=steps, codes=codes)


def code_rules(network: keras.Model, settings: CompressionParams) -> list[Rule]:
    """Return what lets the codes of a fake-quant model follow its weights; of even ones only steps are learned."""
    pairs = quantized_kernels(network).values() if settings.spacing == "k_means" else ()
    return [FollowWeights(kernel, quantizer) for kernel, quantizer in pairs if quantizer.codes is not None]


def promises_of(model: keras.Model, plugs: Sequence[Compression]) -> Promises:
    """Return what the flatbuffer of a canonical model must show, of all plugs."""
    found: dict[str, Promise] = {}
    for name, promise in (item for plug in plugs for item in plug.promises(model).items()):
        found[name] = joined(found.get(name, NOTHING), promise)
    return found


def _in_float(work: Work) -> Work:
    settings = work.settings
    wanted = settings.compression
    rate = wanted.learning_rate or settings.training.learning_rate
    training = settings.training.model_copy(update={"epochs": wanted.epochs, "learning_rate": rate})
    return replace(
        work, settings=settings.model_copy(update={"training": training}), label=f"{work.label}, compressing"
    )
