"""Examples that a report can draw: the predictions whose reasons drifted most, as most do, and least."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from qatflow.data.prepared import PreparedData
from qatflow.explanation.drift import rounded
from qatflow.explanation.explained import Explained
from qatflow.explanation.subject import label_name, output_name, raw_values

MOST_VALUES = 3 << 16
"""Larger inputs than a picture of 256 x 256 pixels are not kept."""


def examples(data: PreparedData, explained: Sequence[Explained]) -> list[dict[str, Any]]:
    """Return up to three examples, those that drifted least last.

    Each holds `sample`, `label`, `output`, `likeness`, `input` (nested lists in the data's own units, None if it is too
    large), and by model `answers` and `values`.
    """
    likeness = [one.likeness() for one in explained]
    order = np.argsort(likeness, kind="stable")
    chosen = dict.fromkeys(int(order[place]) for place in (0, len(order) // 2, -1))
    return [_example(data, explained[number], likeness[number]) for number in chosen]


def _example(data: PreparedData, one: Explained, likeness: float) -> dict[str, Any]:
    x, y = data.test.take(np.array([one.sample]))
    return {
        "sample": one.sample,
        "label": label_name(data, y[0]),
        "output": output_name(data, one.output),
        "likeness": rounded(likeness),
        "input": np.round(raw_values(data, x[0]), 4).tolist() if x[0].size <= MOST_VALUES else None,
        "answers": {name: rounded(answer) for name, answer in one.answers().items()},
        "values": {name: [rounded(value) for value in values] for name, values in one.values.items()},
    }
