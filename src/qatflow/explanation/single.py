"""Explains single predictions of one flatbuffer, as values for programs and in words for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from qatflow.artifacts import Array
from qatflow.data.prepared import PreparedData
from qatflow.errors import DataError
from qatflow.explanation.curves import area, curves
from qatflow.explanation.drift import rounded
from qatflow.explanation.game import Answer, Game
from qatflow.explanation.shapley import attribute
from qatflow.explanation.subject import Field, Subject, label_name, output_name, raw_values

MOST_OUTPUTS = 3
"""More do not fit a picture; the likeliest classes, or the first targets."""
NAMED = 4
Record = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Single:
    """An explained prediction.

    Attributes:
        x: The sample in the data's own units, (*shape).
        field: How it was divided.
        record: JSON-like: sample, label (None where nobody told it), task, players, fill, outputs (name, answer, base,
            values), left_out, and the areas of `deletion` and `insertion` beside those of random orders.
    """

    x: Array
    field: Field
    record: Record

    @property
    def values(self) -> Array:
        """What each part of the input adds to each explained output, (outputs, parts) float64."""
        return np.array([output["values"] for output in self.record["outputs"]], np.float64)

    def __str__(self) -> str:
        return "\n".join(say(self.record))

    def _repr_png_(self) -> bytes:
        """Return the picture, for a notebook."""
        from qatflow.explanation.picture import draw  # it draws with matplotlib, which takes half a second

        return draw(self)


def explain_sample(answer: Answer, data: PreparedData, field: Field, index: int, evaluations: int, seed: int) -> Single:
    """Explain what a model answers for a sample of the test split.

    Args:
        answer: The model; see `game.answer_of`.
        data: Its test split holds the sample.
        field: How inputs are divided, and what absent players show.
        index: Position in the test split, from 0.
        evaluations: Coalitions tried for each player.
        seed: Decides which.

    Raises:
        DataError: If there is no such sample.
    """
    if not 0 <= index < data.test.count:
        raise DataError(f"There is no sample {index}: the test split has {data.test.count}, 0 to {data.test.count - 1}")
    x, y = (values[0] for values in data.test.take(np.array([index])))
    return explain_input(answer, data, field, x, (index, label_name(data, y)), (evaluations, seed))


def explain_input(
    answer: Answer, subject: Subject, field: Field, x: Array, about: tuple[int, str | None], effort: tuple[int, int]
) -> Single:
    """Explain what a model answers for one input.

    Args:
        answer: The model; see `game.answer_of`.
        subject: What its numbers mean.
        field: How inputs are divided, and what absent players show.
        x: The model input, (*shape) float32.
        about: Its position among its like, from 0, and its label in words; None for no label.
        effort: Coalitions tried for each player, and the seed that decides which.
    """
    index, label = about
    evaluations, seed = effort
    answers = answer(x[None])[0]
    outputs = _chosen(subject.task, answers)
    game = field.game(answer, x, outputs)
    values = attribute(game, evaluations, (seed, index))
    base = game.worth(np.zeros((1, field.players.count), bool))[0]
    record = {
        "sample": index,
        "label": label,
        "task": subject.task,
        "players": {"kind": field.players.kind, "grid": list(field.players.grid), "names": list(field.players.names)},
        "fill": field.fill,
        "outputs": [
            {
                "name": output_name(subject, output),
                "answer": rounded(answers[output]),
                "base": rounded(base[column]),
                "values": [rounded(value) for value in values[:, column]],
            }
            for column, output in enumerate(outputs)
        ],
        "left_out": len(answers) - len(outputs),
        **_faithful(game.only(0), values[:, 0], (seed, index)),
    }
    return Single(raw_values(subject, x), field, record)


def say(record: Record) -> Iterator[str]:
    """Yield sentences on an explained prediction."""
    first = record["outputs"][0]
    what = {
        "classification": f"the model says {first['name']}",
        "multi_label": f"the probability of {first['name']} is explained",
        "regression": "the value is explained",
    }
    said = what.get(record["task"], "the reconstruction error is explained, not a class")
    yield f"{title(record)}: {said}, {first['answer']:.4g}."
    for output in record["outputs"]:
        yield f"{output['name']}: {output['answer']:.4g}, and {output['base']:.4g} if all {_kind(record)} are absent"
        for words, sign in (("raised by", 1), ("lowered by", -1)):
            named = _strongest(record["players"]["names"], output["values"], sign)
            if named:
                yield f"  {words} {'; '.join(named)}"
    if record["left_out"]:
        yield f"{record['left_out']} more outputs are not shown: only the first {MOST_OUTPUTS} by rank."
    for kind, doing in (("deletion", "Removing"), ("insertion", "Adding")):
        found = record[kind]
        yield (
            f"{doing} the strongest {_kind(record)} first: mean answer {found['area']:.4g}, "
            f"in random order {found['random_area']:.4g} ({'lower' if kind == 'deletion' else 'higher'} is truer)."
        )


def title(record: Record) -> str:
    """Return which sample was explained."""
    where = "" if record["label"] is None else f" of the test split, label {record['label']}"
    return f"Sample {record['sample']}{where}"


def _chosen(task: str, answers: Array) -> Sequence[int]:
    ranked = task in {"classification", "multi_label"}
    order = np.argsort(-answers, kind="stable") if ranked else np.arange(len(answers))
    return [int(output) for output in order[:MOST_OUTPUTS]]


def _faithful(game: Game, values: Array, seed: Sequence[int]) -> Record:
    found = curves(game, values, seed)
    return {
        kind: {"curve": [rounded(v) for v in own], "area": rounded(own_area), "random_area": rounded(random_area)}
        for kind, own, (own_area, random_area) in zip(("deletion", "insertion"), found[:, 0], area(found), strict=True)
    }


def _kind(record: Record) -> str:
    return str(record["players"]["kind"])


def _strongest(names: Sequence[str], values: Sequence[float], sign: int) -> list[str]:
    order = sorted(range(len(values)), key=lambda i: -sign * values[i])[:NAMED]
    return [f"{names[i]} ({values[i]:+.3g})" for i in order if sign * values[i] > 0]
