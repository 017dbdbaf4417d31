"""What the models get right and wrong on the test split."""

from qatflow.report import summary, wording
from qatflow.report.figures.confusion import MOST_CLASSES, confusion, most_confused
from qatflow.report.figures.recall import recall
from qatflow.report.figures.svg import Figure
from qatflow.report.read import Record, Run

LISTED_CONFUSIONS = 15

Models = list[tuple[str, Record]]


def quality(run: Run) -> Record:
    """Return the metrics of all models, and for classification where float and the variant in focus err."""
    models = [("float", run.float_model["metrics"]), *((v.name, v.evaluation["metrics"]) for v in run.variants)]
    names = [name for name, value in models[0][1].items() if isinstance(value, int | float)]
    return {
        "names": [name.replace("_", " ") for name in names],
        "rows": [(model, [wording.metric(metrics[name]) for name in names]) for model, metrics in models],
        **(_errors(run, models) if run.task == "classification" else {"figures": [], "confusions": []}),
    }


def _errors(run: Run, models: Models) -> Record:
    """With too many classes for a picture, the most frequent confusions tell more."""
    names, focus = run.card["class_names"], summary.focus(run).name
    pair = [model for model in models if model[0] in {"float", focus}]
    few = len(names) <= MOST_CLASSES
    matrices = [(model, metrics["confusion_matrix"]) for model, metrics in pair]
    pictures = [confusion(model, matrix, names) for model, matrix in matrices if few]
    tables = [(model, most_confused(matrix, names, LISTED_CONFUSIONS)) for model, matrix in matrices if not few]
    return {"figures": [*pictures, _recall(pair, names)], "confusions": tables}


def _recall(pair: Models, names: list[str]) -> Figure:
    """A class without a test sample has no recall."""
    (_, reference), (name, metrics) = pair
    tested = [label for label in names if reference["per_class"][label]["support"]]
    before, after = ({label: m["per_class"][label]["recall"] for label in tested} for m in (reference, metrics))
    return recall(name, before, after)
