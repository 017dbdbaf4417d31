"""What the models get right and wrong on the test split, how sure they are, and what quantization lost."""

from collections.abc import Sequence

import numpy as np

from qatflow.artifacts import Array
from qatflow.data.prepared import Split
from qatflow.evaluation.calibration import reliability
from qatflow.evaluation.result import Metrics
from qatflow.report import summary, wording
from qatflow.report.figures.confusion import MOST_CLASSES, confusion, most_confused
from qatflow.report.figures.recall import recall
from qatflow.report.figures.reliability import reliability as reliability_diagram
from qatflow.report.figures.svg import Figure
from qatflow.report.lost import Lost, find_lost
from qatflow.report.pixels import data_address, is_picture
from qatflow.report.read import Record, Run, Variant

LISTED_CONFUSIONS = 15
SHOWN_LOSSES = 12

Models = list[tuple[str, Metrics]]


def quality(run: Run) -> Record:
    """Return the metrics of all models, and for classification where float and the variant in focus err."""
    models = [("float", run.float_model.metrics), *((v.name, v.evaluation.metrics) for v in run.variants)]
    names = list(run.float_model.metrics.figures)
    return {
        "unseen": not run.is_foreign,
        "names": [name.replace("_", " ") for name in names],
        "rows": [(model, [wording.metric(metrics.figures[name]) for name in names]) for model, metrics in models],
        **(_errors(run, models) if run.task == "classification" else {"figures": [], "confusions": [], "lost": None}),
    }


def _errors(run: Run, models: Models) -> Record:
    """With too many classes for a picture, the most frequent confusions tell more."""
    names, focus = run.card.class_names, summary.focus(run)
    pair = [model for model in models if model[0] in {"float", focus.name}]
    split = Split(run.home / "prepare" / "test", run.card.preprocessing)
    outputs = np.load(focus.measured / "outputs.npy", allow_pickle=False)
    sure = reliability_diagram(focus.name, reliability(split.labels(), outputs))
    few = len(names) <= MOST_CLASSES
    matrices = [(model, metrics.confusion_matrix) for model, metrics in pair]
    pictures = [confusion(model, matrix, names) for model, matrix in matrices if few]
    tables = [(model, most_confused(matrix, names, LISTED_CONFUSIONS)) for model, matrix in matrices if not few]
    return {
        "figures": [*pictures, _recall(pair, names), sure],
        "confusions": tables,
        "lost": _lost(run, focus, split, outputs),
    }


def _lost(run: Run, variant: Variant, split: Split, outputs: Array) -> Record:
    """Samples that are no pictures are listed by their position."""
    losses = find_lost(split, outputs, (run.home / "transfer" / "model.tflite").read_bytes())
    names = run.card.class_names
    return {
        "name": variant.name,
        "count": len(losses.samples),
        "wrong": losses.looked_at,
        "samples": [_sample(lost, names) for lost in losses.samples[:SHOWN_LOSSES]],
    }


def _sample(lost: Lost, names: Sequence[str]) -> Record:
    return {
        "position": lost.position,
        "truth": names[lost.truth],
        "taken": names[lost.taken],
        "picture": data_address(lost.x) if is_picture(lost.x.shape) else "",
    }


def _recall(pair: Models, names: Sequence[str]) -> Figure:
    """A class without a test sample has no recall."""
    (_, reference), (name, metrics) = pair
    tested = [label for label in names if reference.per_class[label].support]
    before, after = ({label: m.per_class[label].recall for label in tested} for m in (reference, metrics))
    return recall(name, before, after)
