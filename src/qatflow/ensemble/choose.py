"""Decides on validation data which models make an ensemble, and with which weights."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from qatflow.artifacts import Array
from qatflow.data.prepared import PreparedData
from qatflow.ensemble.combine import COMBINERS, Combiner
from qatflow.ensemble.loss import loss
from qatflow.ensemble.select import select
from qatflow.ensemble.weights import Weights, equal_weights, fit_weights
from qatflow.errors import ModelError, ParamsError, lookup, nearest
from qatflow.evaluation.calibration import are_probabilities
from qatflow.progress import Progress, silent
from qatflow.tflite.runtime import Runner

BATCH_SIZE = 256
MIN_WEIGHT = 0.01
"""A chosen member below it costs bytes and time for nothing."""


@dataclass(frozen=True)
class Choice:
    """The members of an ensemble.

    Attributes:
        weights: Member -> weight, in the order of the models; empty if there is no ensemble.
        reason: Why these members, or why none.
        losses: `ensemble`, if there is one, and each model -> loss on the validation split; see `loss.loss`.
    """

    weights: Mapping[str, float]
    reason: str
    losses: Mapping[str, float]


@dataclass(frozen=True)
class Wish:
    """What ensemble is asked for.

    Attributes:
        members: Names, or `auto`: greedy selection of at most `size`.
        size: Most members of `auto`.
        combine: Name of a combiner.
    """

    members: tuple[str, ...] | Literal["auto"]
    size: int
    combine: str


def choose(wish: Wish, models: Mapping[str, bytes], data: PreparedData, progress: Progress = silent) -> Choice:
    """Run the models on the validation split, choose the members and fit their weights.

    Raises:
        ParamsError: If the wish names an unknown model or combiner, one twice, or fewer than two.
        ModelError: If models do not fit the data, or a classifier's outputs are no probabilities.
    """
    combiner = find_combiner(wish.combine, data.task)
    asked = check_members(wish.members, models)
    if len(asked) < 2:
        return Choice({}, f"there is only {', '.join(asked) or 'no model'} to combine", {})
    truth, outputs = _validated({name: models[name] for name in asked}, data, progress)
    losses = {name: loss(data.task, truth, output) for name, output in zip(asked, outputs, strict=True)}
    picked, weights = _members(wish, data.task, truth, outputs, combiner)
    if len(picked) < 2:
        best = min(losses, key=lambda name: losses[name])
        return Choice({}, f"on the validation split no combination is better than {best} alone", losses)
    combined = combiner.combine(outputs[picked], [np.float32(weight) for weight in weights])
    losses["ensemble"] = loss(data.task, truth, combined)
    named = {asked[place]: float(weight) for place, weight in zip(picked, weights, strict=True)}
    how = "chosen greedily on" if wish.members == "auto" else "named in the parameters; weighed on"
    return Choice(named, f"{how} {len(truth)} validation samples", losses)


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


def check_members(members: tuple[str, ...] | str, models: Mapping[str, bytes]) -> list[str]:
    """Return the names of the models that may become members, in the order of the models.

    Raises:
        ParamsError: If a name is unknown or comes twice, or there are fewer than two.
    """
    if isinstance(members, str):
        return list(models)
    for name in members:
        if name not in models:
            raise ParamsError(
                f"Unknown ensemble member '{name}'. Known: {', '.join(sorted(models))}.{nearest(name, models)}"
            )
        if members.count(name) > 1:
            raise ParamsError(f"Ensemble member '{name}' is named twice; the combiner `weighted` finds its weight")
    if len(members) < 2:
        raise ParamsError(f"An ensemble needs two members at least; named: {', '.join(members) or 'none'}")
    return [name for name in models if name in members]


def _members(wish: Wish, task: str, truth: Array, outputs: Array, combiner: Combiner) -> tuple[list[int], Weights]:
    """Return positions and weights of the members; those that get next to no weight are left out, unless named."""
    if wish.members != "auto":
        return list(range(len(outputs))), _weights(task, truth, outputs, combiner)
    picked = sorted(select(task, truth, outputs, combiner, wish.size))
    weights = _weights(task, truth, outputs[picked], combiner)
    kept = [place for place, weight in zip(picked, weights, strict=True) if weight >= MIN_WEIGHT]
    return kept, weights if kept == picked else _weights(task, truth, outputs[kept], combiner)


def _weights(task: str, truth: Array, outputs: Array, combiner: Combiner) -> Weights:
    return fit_weights(task, truth, outputs) if combiner.weighs else equal_weights(len(outputs))


def _validated(models: Mapping[str, bytes], data: PreparedData, progress: Progress) -> tuple[Array, Array]:
    """Return the truth of the validation split and all outputs (m, n, k) float32."""
    if data.val.count == 0:
        raise ModelError("Members are chosen on validation data, of which there are none; set data.val_fraction")
    outputs = []
    for number, (name, model) in enumerate(models.items()):
        runner = Runner(model)
        parts = [runner.predict(x).reshape(len(x), -1) for x, _ in data.val.batches(BATCH_SIZE)]
        outputs.append(np.concatenate(parts))
        _check_outputs(name, outputs[-1], data)
        progress("running the members", number + 1, len(models))
    return _truth(data), np.stack(outputs)


def _check_outputs(name: str, outputs: Array, data: PreparedData) -> None:
    if outputs.shape[1] != data.num_outputs:
        raise ModelError(f"{name} gives {outputs.shape[1]} outputs; the data need {data.num_outputs}")
    if not np.isfinite(outputs).all():
        raise ModelError(f"{name} gives NaN or infinity on validation data")
    if data.task == "classification" and not are_probabilities(outputs):
        raise ModelError(f"{name} gives no probabilities (0 to 1, of sum 1); put a softmax behind it")


def _truth(data: PreparedData) -> Array:
    if data.task == "anomaly":
        return data.val.arrays()[0].reshape(data.val.count, -1)
    return data.val.labels()
