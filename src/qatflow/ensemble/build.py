"""From measured models to an ensemble: chosen, merged, and measured like any other model."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from qatflow.artifacts import Array, write_bytes, write_json
from qatflow.data.prepared import PreparedData
from qatflow.ensemble.choose import Choice, choose
from qatflow.ensemble.combine import COMBINERS
from qatflow.ensemble.figures import figures, judge
from qatflow.ensemble.merge import merge
from qatflow.evaluation.evaluate import evaluate
from qatflow.params.ensemble import EnsembleParams
from qatflow.params.evaluate import EvaluateParams
from qatflow.progress import Progress, silent

RECORD = "ensemble.json"


@dataclass(frozen=True, eq=False)
class Ingredients:
    """What an ensemble can be made of.

    Attributes:
        models: Name -> flatbuffer.
        outputs: Name -> what it gives on the test split, (n, k) float32.
        float_model: The flatbuffer to measure beside.
        data: Validation split to choose on, test split to judge on.
    """

    models: Mapping[str, bytes]
    outputs: Mapping[str, Array]
    float_model: bytes
    data: PreparedData


def build_ensemble(
    wanted: EnsembleParams, given: Ingredients, measuring: EvaluateParams, out: Path, progress: Progress = silent
) -> None:
    """Write ensemble.json and, if there is an ensemble, model.tflite and what `evaluate` writes into `out`.

    ensemble.json says: combine, reason, losses on the validation split, and what `figures` gives; its `members` are
    empty if there is no ensemble. Nothing in it is timed, so that equal inputs give equal bytes.

    Raises:
        ParamsError: If an unknown member or combiner is wanted.
        ModelError: If members do not fit each other or the data.
        ConversionError: If LiteRT refuses what came out.
    """
    choice = choose(wanted, given.models, given.data, progress)
    record: dict[str, Any] = {"combine": wanted.combine, "reason": choice.reason, "losses": choice.losses}
    record["members"] = {}
    if choice.weights:
        model = merged(choice, given.models, wanted.combine)
        write_bytes(out / "model.tflite", model)
        evaluate(given.float_model, model, given.data, None, measuring, out, progress)
        outputs = np.load(out / "outputs.npy", allow_pickle=False)
        record |= _figures(given, model, outputs, choice.weights)
    write_json(out / RECORD, record)


def merged(choice: Choice, models: Mapping[str, bytes], combine: str) -> bytes:
    """Return the flatbuffer of the chosen models; `combine` names the combiner that they were chosen for.

    Raises:
        ModelError: If members do not fit each other.
        ConversionError: If LiteRT refuses what came out.
    """
    members = {name: models[name] for name in choice.weights}
    return merge(members, COMBINERS[combine], list(choice.weights.values()))


def _figures(given: Ingredients, model: bytes, outputs: Array, weights: Mapping[str, float]) -> dict[str, Any]:
    data = given.data
    singles = {
        name: judge(data.task, data.test, single, given.outputs[name], data.class_names)
        for name, single in given.models.items()
    }
    ensemble = judge(data.task, data.test, model, outputs, data.class_names)
    return figures(data.task, data.test.labels(), ensemble, singles, weights)
