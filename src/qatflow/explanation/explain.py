"""Explains the same predictions on every flatbuffer of a run, and measures how far the reasons drifted from float's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from qatflow import artifacts
from qatflow.artifacts import Array
from qatflow.data.prepared import PreparedData
from qatflow.explanation.curves import curves, summarize_curves
from qatflow.explanation.drift import compare, summarize
from qatflow.explanation.examples import examples
from qatflow.explanation.explained import FLOAT, Explained
from qatflow.explanation.game import answer_of
from qatflow.explanation.shapley import attribute_samples
from qatflow.explanation.subject import Field, explained_outputs, open_field, output_name
from qatflow.params.explain import ExplainParams
from qatflow.progress import Progress, silent

RECORD, ARRAYS = "explanation.json", "explanations.npz"
DRAW, OTHER_DRAW, ORDERS = range(3)
"""Uses of the seed: coalitions of all models, of the noise floor, and random orders."""
TOGETHER = 32
"""Samples whose coalitions are drawn together."""
Gradient = Callable[[Array, Array, int], Array]
"""From a sample (*shape), its fillers (b, *shape) and an output to what each value adds, (*shape)."""


@dataclass(frozen=True, eq=False)
class Ingredients:
    """What is explained.

    Attributes:
        models: Name -> flatbuffer, without the float one.
        float_model: The flatbuffer whose reasons are the reference.
        data: Its test split is explained.
        gradient: Of the float Keras model, where it is at hand.
    """

    models: Mapping[str, bytes]
    float_model: bytes
    data: PreparedData
    gradient: Gradient | None = None


def explain_variants(
    wanted: ExplainParams, given: Ingredients, seed: int, out: Path, progress: Progress = silent
) -> None:
    """Write explanation.json and explanations.npz into `out`; equal arguments give equal bytes.

    explanation.json says for every model how its attributions rank beside the float model's (`drift`) and whether they
    are true (`deletion`, `insertion`); `floor` is the drift of the float model from itself with other coalitions,
    `gradient` that of its gradients. explanations.npz holds the attributions (models, explanations, players) float64.

    Raises:
        ParamsError: If the wanted fill does not suit the data.
        ConversionError: If LiteRT refuses a flatbuffer.
    """
    samples = min(wanted.samples, given.data.test.count)
    record: dict[str, Any] = {"samples": samples, "models": {}, "floor": None, "gradient": None, "examples": []}
    if samples:
        field = open_field(given.data, wanted)
        explained = list(_explain(wanted, given, field, seed, progress))
        record |= _described(wanted, field) | _measured(wanted, given, explained, seed)
        record["examples"] = examples(given.data, explained)
        names = [FLOAT, *given.models]
        artifacts.save_arrays(out / ARRAYS, {name: np.stack([e.values[name] for e in explained]) for name in names})
    artifacts.write_json(out / RECORD, record)


def _explain(
    wanted: ExplainParams, given: Ingredients, field: Field, seed: int, progress: Progress
) -> Iterator[Explained]:
    x, _ = given.data.test.arrays(limit=wanted.samples)
    answers = {name: answer_of(model, given.data.task) for name, model in _all(given).items()}
    outputs = explained_outputs(given.data.task, answers[FLOAT](x))
    for start in range(0, len(x), TOGETHER):
        rows, wants = x[start : start + TOGETHER], outputs[start : start + TOGETHER]
        games = [
            {name: field.game(answer, row, each) for name, answer in answers.items()}
            for row, each in zip(rows, wants, strict=True)
        ]
        found = attribute_samples([list(each.values()) for each in games], wanted.evaluations, (seed, DRAW))
        floors = attribute_samples([[each[FLOAT]] for each in games], wanted.evaluations, (seed, OTHER_DRAW))
        for place, (played, values, (floor,)) in enumerate(zip(games, found, floors, strict=True)):
            of_models = dict(zip(played, values, strict=True))
            for column, output in enumerate(wants[place]):
                seeds = seed, start + place, ORDERS
                yield Explained(
                    start + place,
                    output,
                    played[FLOAT].moving(),
                    {name: each[:, column] for name, each in of_models.items()},
                    floor[:, column],
                    {
                        name: curves(game.only(column), of_models[name][:, column], seeds)
                        for name, game in played.items()
                    },
                    _gradient(given, field, played[FLOAT].fill, rows[place], output),
                )
            progress("explaining", start + place + 1, len(x))


def _all(given: Ingredients) -> dict[str, bytes]:
    return {FLOAT: given.float_model, **given.models}


def _gradient(given: Ingredients, field: Field, fill: Array, x: Array, output: int) -> Array | None:
    return None if given.gradient is None else field.players.sums(given.gradient(x, fill, output))


def _described(wanted: ExplainParams, field: Field) -> dict[str, Any]:
    players = field.players
    return {
        "players": {"kind": players.kind, "grid": list(players.grid), "names": list(players.names)},
        "fill": field.fill,
        "evaluations": wanted.evaluations,
        "top": wanted.top,
    }


def _measured(wanted: ExplainParams, given: Ingredients, explained: Sequence[Explained], seed: int) -> dict[str, Any]:
    groups = [output_name(given.data, one.output) for one in explained]
    floats = [one.values[FLOAT][one.moving] for one in explained]

    def drift(others: Sequence[Array | None]) -> dict[str, Any] | None:
        kept = [other[one.moving] for other, one in zip(others, explained, strict=True) if other is not None]
        return summarize(compare(floats, kept, wanted.top), groups, seed) if kept else None

    models = {
        name: {
            "sha256": artifacts.sha256_bytes(model),
            "drift": None if name == FLOAT else drift([one.values[name] for one in explained]),
            **summarize_curves(np.stack([one.curves[name] for one in explained]), seed),
        }
        for name, model in _all(given).items()
    }
    floor, gradient = drift([one.floor for one in explained]), drift([one.gradient for one in explained])
    return {"models": models, "floor": floor, "gradient": gradient}
