"""What an ensemble gains, what it costs, and how far its members differ."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from qatflow.artifacts import Array, sha256_bytes
from qatflow.data.prepared import Split
from qatflow.evaluation.agreement import agreement
from qatflow.evaluation.metrics import correct, judged, measure, score_of
from qatflow.evaluation.significance import mcnemar, wilcoxon

BATCH_SIZE = 256


@dataclass(frozen=True, eq=False)
class Judged:
    """A model's answers on the test split.

    Attributes:
        model: The flatbuffer.
        values: What `metrics.judged` gives, (n, …).
        right: What `metrics.correct` gives, (n,) bool.
        score: The task's figure of merit.
        ece: Expected calibration error; None unless the task is classification.
    """

    model: bytes
    values: Array
    right: Array
    score: float
    ece: float | None


def judge(task: str, split: Split, model: bytes, outputs: Array, names: tuple[str, ...]) -> Judged:
    """Judge a model by its outputs (n, k) float32 on all samples of a split, in stored order."""
    parts, done = [], 0
    for x, _ in split.batches(BATCH_SIZE):
        parts.append(judged(task, x, outputs[done : done + len(x)]))
        done += len(x)
    values = np.concatenate(parts)
    metrics = measure(task, split.labels(), values, names)
    return Judged(model, values, correct(task, split.labels(), values), score_of(task, metrics), metrics.get("ece"))


def figures(
    task: str, y: Array, ensemble: Judged, singles: Mapping[str, Judged], weights: Mapping[str, float]
) -> dict[str, Any]:
    """Return what ensemble.json says of a finished ensemble. Equal arguments give equal figures.

    Args:
        task: Name in `evaluation.tasks.TASKS`.
        y: Labels of the test split.
        ensemble: The ensemble's answers.
        singles: All models that it could have been made of.
        weights: Member -> weight.

    Returns:
        members: Name -> weight, score, ece, size_bytes, sha256. against: Single model -> gain in score and p, how
        likely so large a difference is chance. best: The single model of highest score. pairs: Of members, with
        disagreement and Q statistic; and their means. size_ratio: Bytes over those of the best single model.
    """
    best = max(singles, key=lambda name: (singles[name].score, -len(singles[name].model), name))
    pairs = [_pair(task, {name: singles[name] for name in two}) for two in combinations(weights, 2)]
    return {
        "members": {name: {"weight": weight, **_member(singles[name])} for name, weight in weights.items()},
        "best": best,
        "score": ensemble.score,
        "ece": ensemble.ece,
        "size_bytes": len(ensemble.model),
        "size_ratio": len(ensemble.model) / len(singles[best].model),
        "against": {name: _against(task, y, ensemble, single) for name, single in singles.items()},
        "pairs": pairs,
        "disagreement": float(np.mean([pair["disagreement"] for pair in pairs])),
        "q_statistic": _mean([pair["q_statistic"] for pair in pairs]),
    }


def q_statistic(right_a: Array, right_b: Array) -> float | None:
    """Return Yule's Q of two models' right answers, (n,) bool each: 1 if they fail together, 0 if independently.

    (n11 n00 - n01 n10) / (n11 n00 + n01 n10), as in Kuncheva and Whitaker, "Measures of Diversity in Classifier
    Ensembles", Machine Learning 51:181, 2003. None where it is not defined.
    """
    both, neither = int(np.sum(right_a & right_b)), int(np.sum(~right_a & ~right_b))
    only_a, only_b = int(np.sum(right_a & ~right_b)), int(np.sum(~right_a & right_b))
    together, apart = both * neither, only_a * only_b
    return (together - apart) / (together + apart) if together + apart else None


def significance(task: str, y: Array, a: Judged, b: Judged) -> float:
    """Return how likely a difference as large as that of two models is chance, from the same samples.

    Regression: Wilcoxon's signed-rank test of the squared errors. Else: McNemar's test of the right answers.
    """
    if task != "regression":
        return mcnemar(a.right, b.right)
    first, second = (np.mean(np.square(model.values.astype(np.float64) - y), axis=1) for model in (a, b))
    return wilcoxon(first, second)


def _member(single: Judged) -> dict[str, Any]:
    return {
        "score": single.score,
        "ece": single.ece,
        "size_bytes": len(single.model),
        "sha256": sha256_bytes(single.model),
    }


def _against(task: str, y: Array, ensemble: Judged, single: Judged) -> dict[str, float]:
    gain = round(ensemble.score - single.score, 9)
    return {"gain": gain, "p": significance(task, y, ensemble, single)}


def _pair(task: str, two: Mapping[str, Judged]) -> dict[str, Any]:
    a, b = two.values()
    return {
        "members": list(two),
        "disagreement": 1.0 - agreement(task, a.values, b.values),
        "q_statistic": q_statistic(a.right, b.right),
    }


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None
