"""What is explained: which outputs of which sample, and what they are called. The same for all models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from qatflow.artifacts import Array
from qatflow.data.card import ANOMALY_NAMES
from qatflow.data.prepared import PreparedData, Preprocessing
from qatflow.explanation.absent import Fill, Typical, choose_fill, fillers, read_background
from qatflow.explanation.game import Answer, Game
from qatflow.explanation.players import Players, divide
from qatflow.params.explain import ExplainParams

MOST_OUTPUTS = 8
"""Of more targets or labels, only the first ones are explained."""


class Subject(Protocol):
    """What a model's numbers mean: prepared data say it, and so does a bundle."""

    @property
    def task(self) -> str:
        """classification, multi_label, regression or anomaly."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of classes or labels, by their ids; empty for other tasks."""

    @property
    def num_outputs(self) -> int:
        """Classes, labels or targets."""

    @property
    def preprocessing(self) -> Preprocessing:
        """From samples in their own units to model inputs."""


@dataclass(frozen=True, eq=False)
class Field:
    """Where explanations are played: how inputs are divided, and what absent players show.

    Attributes:
        background: What absent players show, (b, *shape) float32; empty for a blur.
    """

    players: Players
    fill: Fill
    background: Array

    def game(self, answer: Answer, x: Array, outputs: Sequence[int]) -> Game:
        """Return the game of one sample, (*shape) float32."""
        return Game(answer, outputs, x, fillers(x, self.background), self.players)


def open_field(data: PreparedData, wanted: ExplainParams) -> Field:
    """Divide the inputs of prepared data, and read what absent players show from their training split.

    Raises:
        ParamsError: If the wanted fill does not suit the data.
    """
    return field_of(data.input_shape, data.card.feature_names, data.train, wanted)


def field_of(shape: tuple[int, ...], features: Sequence[str], typical: Typical, wanted: ExplainParams) -> Field:
    """Divide inputs of a shape; `features` name a table's columns, `typical` samples stand for absent players.

    Raises:
        ParamsError: If the wanted fill does not suit the shape.
    """
    fill = choose_fill(wanted.fill, shape)
    return Field(divide(shape, wanted.players, features), fill, read_background(fill, typical, wanted.background))


def explained_outputs(task: str, answers: Array) -> list[list[int]]:
    """Return the outputs to explain of each sample, from the float model's answers (n, outputs).

    Classification: the class it picks, so that all models are asked for the same one. Else: all targets or labels.
    """
    if task == "classification":
        return [[int(best)] for best in answers.argmax(axis=1)]
    return [list(range(min(answers.shape[1], MOST_OUTPUTS)))] * len(answers)


def output_name(data: Subject, output: int) -> str:
    """Return what an output is called."""
    if data.class_names:
        return data.class_names[output]
    if data.task == "anomaly":
        return "reconstruction error"
    return "value" if data.num_outputs == 1 else f"target {output}"


def label_name(data: Subject, y: Array) -> str:
    """Return a sample's own label in words; `y` is its target, () or (targets,)."""
    if data.task == "classification":
        return data.class_names[int(y)]
    if data.task == "anomaly":
        return ANOMALY_NAMES[int(y)]
    if data.task == "multi_label":
        return ", ".join(name for name, has in zip(data.class_names, y, strict=True) if has) or "none"
    return ", ".join(f"{value:.4g}" for value in np.atleast_1d(y))


def raw_values(data: Subject, x: Array) -> Array:
    """Return model inputs (…, channels) in the data's own units."""
    scale, offset = (np.array(values) for values in (data.preprocessing.scale, data.preprocessing.offset))
    return np.asarray((x - offset) / scale)
