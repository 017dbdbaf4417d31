"""Decides on validation data which models make an ensemble, and with which weights."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

import numpy as np

from qatflow.artifacts import Array
from qatflow.data.prepared import PreparedData
from qatflow.ensemble.combine import COMBINERS, Combiner
from qatflow.ensemble.loss import loss
from qatflow.ensemble.select import select
from qatflow.ensemble.weights import Weights, equal_weights, fit_weights
from qatflow.errors import ModelError, ParamsError, lookup, nearest
from qatflow.evaluation.calibration import are_probabilities
from qatflow.evaluation.metrics import judged
from qatflow.params.ensemble import EnsembleParams
from qatflow.progress import Progress, silent
from qatflow.tflite.runtime import Runner

BATCH_SIZE = 256
Models = Mapping[str, bytes]
"""Name -> flatbuffer."""
MIN_WEIGHT = 0.01
"""A chosen member below it costs bytes and time for nothing."""


@dataclass(frozen=True)
class Choice:
    """The members of an ensemble.

    Attributes:
        weights: Member -> weight, in the order of their names; empty if there is no ensemble.
        reason: Why these members, or why none.
        losses: `ensemble`, if there is one, and each model -> loss on the validation split; see `loss.loss`.
    """

    weights: Mapping[str, float]
    reason: str
    losses: Mapping[str, float]


def choose(wanted: EnsembleParams, models: Models, data: PreparedData, progress: Progress = silent) -> Choice:
    """Run the models on the validation split, choose the members and fit their weights.

    Raises:
        ParamsError: If an unknown model or combiner is wanted.
        ModelError: If models do not fit the data, or a classifier's outputs are no probabilities.
    """
    if wanted.members == "none":
        return Choice({}, "it is switched off (ensemble.members: none)", {})
    combiner = find_combiner(wanted.combine, data.task)
    asked = find_members(wanted.members, models)
    if len(asked) < 2:
        return Choice({}, f"there is only {', '.join(asked)} to combine", {})
    truth, outputs = _validated(asked, data, progress)
    losses = {name: loss(data.task, truth, output) for name, output in zip(asked, outputs, strict=True)}
    picked = _pick(data.task, truth, outputs, combiner, wanted)
    if len(picked) < 2:
        best = min(losses, key=lambda name: losses[name])
        return Choice({}, f"on the validation split no combination is better than {best} alone", losses)
    weights = _weights(data.task, truth, outputs[picked], combiner)
    combined = combiner.combine(outputs[picked], [np.float32(weight) for weight in weights])
    losses["ensemble"] = loss(data.task, truth, combined)
    named = {list(asked)[place]: float(weight) for place, weight in zip(picked, weights, strict=True)}
    return Choice(named, _reason(wanted, combiner, len(truth), set(asked) - set(named)), losses)


def find_combiner(name: str, task: str) -> Combiner:
    """Return a combiner that suits the task.

    Raises:
        ParamsError: If there is none of that name, or it is for other tasks.
    """
    combiner = lookup("combiner", name, COMBINERS)
    if task not in combiner.tasks:
        suited = [other for other, rule in COMBINERS.items() if task in rule.tasks]
        raise ParamsError(f"Combiner '{name}' is for {', '.join(combiner.tasks)}; for {task}: {', '.join(suited)}")
    return combiner


def find_members(members: tuple[str, ...] | str, models: Models) -> dict[str, bytes]:
    """Return the models that may become members, all of them for `auto`, in the order of their names.

    So the order of the variants in the parameters changes no bytes, and a JSON file's is that of the graph.

    Raises:
        ParamsError: If a name is unknown.
    """
    if isinstance(members, str):
        return dict(sorted(models.items()))
    for name in members:
        if name not in models:
            known = f"Known: {', '.join(sorted(models))}."
            raise ParamsError(f"Unknown ensemble member '{name}'. {known}{nearest(name, models)}")
    return {name: model for name, model in sorted(models.items()) if name in members}


def _reason(wanted: EnsembleParams, combiner: Combiner, samples: int, left: set[str]) -> str:
    chosen = "chosen greedily" if wanted.members == "auto" else "named in the parameters"
    reason = f"members {chosen}, weights {'fitted' if combiner.weighs else 'equal'}, on {samples} validation samples"
    idle = left if wanted.members != "auto" else ()
    return f"{reason}; without {', '.join(sorted(idle))}, whose weight is 0" if idle else reason


def _pick(task: str, truth: Array, outputs: Array, combiner: Combiner, wanted: EnsembleParams) -> list[int]:
    """Return the positions of the chosen or named models but for those that would get next to no weight."""
    picked = list(range(len(outputs)))
    if wanted.members == "auto":
        picked = sorted(select(task, truth, outputs, combiner, wanted.size))
    weights = _weights(task, truth, outputs[picked], combiner)
    return [place for place, weight in zip(picked, weights, strict=True) if weight >= MIN_WEIGHT]


def _weights(task: str, truth: Array, outputs: Array, combiner: Combiner) -> Weights:
    return fit_weights(task, truth, outputs) if combiner.weighs else equal_weights(len(outputs))


def _validated(models: Models, data: PreparedData, progress: Progress) -> tuple[Array, Array]:
    """Return the truth of the validation split and all outputs (m, n, k) float32."""
    if data.val.count == 0:
        raise ModelError("Members are chosen on validation data, of which there are none; set data.val_fraction")
    outputs = []
    for number, (name, model) in enumerate(models.items()):
        runner = _fitting(name, model, data)
        parts = [_outputs(data.task, x, runner) for x, _ in data.val.batches(BATCH_SIZE)]
        outputs.append(np.concatenate(parts))
        _check_outputs(name, outputs[-1], data.task)
        progress("running the members", number + 1, len(models))
    return _truth(data), np.stack(outputs)


def _outputs(task: str, x: Array, runner: Runner) -> Array:
    """Return (n, k); of an autoencoder what it reconstructs, for that is what is combined."""
    outputs = runner.predict(x)
    return outputs.reshape(len(x), -1) if task == "anomaly" else judged(task, x, outputs)


def _fitting(name: str, model: bytes, data: PreparedData) -> Runner:
    """Load a model that takes and gives what the data need."""
    runner = Runner(model)
    if runner.input.shape != tuple(data.input_shape):
        raise ModelError(
            f"{name} takes inputs of shape {list(runner.input.shape)}; the data have {list(data.input_shape)}"
        )
    if not data.suits(prod(runner.output.shape)):
        raise ModelError(f"{name} gives {prod(runner.output.shape)} outputs; the data need {data.num_outputs}")
    return runner


def _check_outputs(name: str, outputs: Array, task: str) -> None:
    if not np.isfinite(outputs).all():
        raise ModelError(f"{name} gives NaN or infinity on validation data")
    if task == "classification" and not are_probabilities(outputs):
        raise ModelError(f"{name} gives no probabilities (0 to 1, of sum 1); put a softmax behind it")


def _truth(data: PreparedData) -> Array:
    if data.task == "anomaly":
        return data.val.arrays()[0].reshape(data.val.count, -1)
    return data.val.labels()
