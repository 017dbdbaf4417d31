"""Real digits, real flatbuffers and their real figures, cut down to what a release reads. Latencies are made up."""

import tempfile
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from qatflow import artifacts
from qatflow.data.prepare import prepare_data
from qatflow.data.prepared import PreparedData, open_prepared
from qatflow.evaluation.answers import Answers, answers_on
from qatflow.evaluation.metrics import judged, measure, score_of
from qatflow.evaluation.result import Evaluation, Timings
from qatflow.evaluation.sizes import sizes
from qatflow.params.data import DataParams
from qatflow.params.release import ReleaseParams
from qatflow.release.base import Candidate, Context, GoldenCheck
from qatflow.release.bundle import build_bundle
from qatflow.release.candidates import Inputs
from qatflow.release.manifest import Lineage
from qatflow.tflite.runtime import Runner

GOLDEN = Path(__file__).parents[2] / "golden"
GATES = {
    "accuracy_drop": {"max_drop": 0.5},
    "beats_ptq": {"alpha": 0.05, "margin": 0.02, "min_saving": 0.05},
    "agreement": {"min_agreement": 0.1},
    "size": {"max_ratio": 2.0},
    "latency": {"max_ratio": 4.0},
    "parity": {"min_agreement": 0.1},
    "golden": {"max_lsb": 0.0},
    "beats_champion": {"alpha": 0.05, "margin": 0.02, "min_saving": 0.05},
}
PARAMS = ReleaseParams(name="digits").model_copy(update={"gates": GATES})
_folder = tempfile.TemporaryDirectory(prefix="qatflow-tests-")


@cache
def digits() -> PreparedData:
    """Prepare scikit-learn's digits once."""
    with artifacts.stage_output(Path(_folder.name) / "prepare", "prepare") as out:
        prepare_data(DataParams(), "unit", 42, out)
    return open_prepared(Path(_folder.name) / "prepare")


def flatbuffer(name: str, padding: int = 0) -> bytes:
    """Return a golden flatbuffer; `padding` bytes behind it change its digest and size, not what it does."""
    return (GOLDEN / f"{name}.tflite").read_bytes() + bytes(padding)


@cache
def candidate(variant: str = "ptq_w8a8", model: bytes = b"", *, trained: bool = False) -> Candidate:
    """Measure a classifier of digits, the int8 one if none is named."""
    model = model or flatbuffer("int8")
    data, float_model = digits(), flatbuffer("float32")
    x, y = data.test.arrays()
    values, reference = (judged("classification", x, Runner(m).predict(x)) for m in (model, float_model))
    metrics, floats = (measure("classification", y, v, data.class_names) for v in (values, reference))
    evaluation = {
        "task": "classification",
        "samples": len(y),
        "score": score_of("classification", metrics),
        "score_interval": [0.9, 1.0],
        "metrics": metrics,
        "float": {
            "score": score_of("classification", floats),
            "metrics": floats,
            **sizes(float_model),
            "sha256": artifacts.sha256_bytes(float_model),
        },
        "agreement_float": float((values.argmax(1) == reference.argmax(1)).mean()),
        "agreement_fake_quant": None,
        **sizes(model),
        "sha256": artifacts.sha256_bytes(model),
    }
    timings = {"latency_us": {"p50": 12.5, "p95": 14.0, "p99": 20.0}, "latency_ratio": 0.8}
    measured = Evaluation.model_validate(evaluation), Timings.model_validate(timings)
    return Candidate(variant, trained, *measured, answers(model), model)


@cache
def answers(model: bytes) -> dict[str, Answers]:
    """Ask a classifier of digits, and the float one."""
    data = digits()
    splits, models = {"test": data.test, "val": data.val}, {"": model, "_float": flatbuffer("float32")}
    return {
        f"{split}{end}": answers_on("classification", of.batches(256), Runner(asked))
        for split, of in splits.items()
        for end, asked in models.items()
    }


def right(wrong: int, samples: int = 400) -> Answers:
    """Return answers of which the first `wrong` are wrong."""
    return Answers("accuracy", (np.arange(samples) >= wrong).astype(float), np.arange(samples) % 2)


def answered(judged: Candidate, **wrong: int) -> Candidate:
    """Return the candidate with so many wrong answers of 400 in each split that is named, and the score that is."""
    changes = {split: right(count) for split, count in wrong.items()}
    scored = judged if "test" not in wrong else changed(judged, score=1 - wrong["test"] / 400)
    return replace(scored, answers={**judged.answers, **changes})


def lineage() -> Lineage:
    """Return where the fabricated models came from."""
    stages = {"prepare": artifacts.sha256_bytes(b"prepare")}
    return Lineage(
        git_commit="9f1c2e7", params_sha256="a" * 64, data_sha256=digits().card.sha256, data_md5=None, stages=stages
    )


def inputs(*candidates: Candidate) -> Inputs:
    """Return what a release of these candidates reads."""
    named = {candidate.variant: candidate for candidate in candidates}
    return Inputs(named, dict.fromkeys(named, lineage()), digits())


def context(*candidates: Candidate, **fields: Any) -> Context:
    """Return a context in which every golden check is exact and there is no champion, unless `fields` say else."""
    named = {candidate.variant: candidate for candidate in candidates}
    return Context(
        **({"candidates": named, "champion": None, "golden": dict.fromkeys(named, GoldenCheck(0.0))} | fields)
    )


def bundle(folder: Path, model: bytes = b"", variant: str = "ptq_w8a8") -> Path:
    """Build a bundle of a classifier of digits in the new folder `folder / "bundle"`."""
    return build_bundle(folder / "bundle", candidate(variant, model), digits(), lineage())


COLUMNS = tuple(f"pixel {number}" for number in range(64))


def regressor(folder: Path, data: PreparedData, columns: tuple[str, ...] = COLUMNS) -> Path:
    """Build a bundle of the golden regressor, whose inputs are named, in the new folder `folder / "bundle"`."""
    evaluation = {"score": 0.9, "samples": 10, "task": "regression"}
    made = changed(candidate(), model=flatbuffer("regressor"), **evaluation)
    named = replace(data, card=data.card.model_copy(update={"feature_names": tuple(columns)}))
    return build_bundle(folder / "bundle", made, named, lineage())


def changed(
    candidate: Candidate, *, score: float | None = None, model: bytes | None = None, **fields: Any
) -> Candidate:
    """Return the candidate with another score, flatbuffer, or other fields of its evaluation, or of `float` in it."""
    before = candidate.evaluation.to_dict()
    if "float" in fields:
        fields["float"] = before["float"] | fields["float"]
    evaluation = Evaluation.model_validate(before | fields | ({} if score is None else {"score": score}))
    return replace(candidate, evaluation=evaluation, model=candidate.model if model is None else model)


def timed(candidate: Candidate, **fields: Any) -> Candidate:
    """Return the candidate with other fields of its timings; `p50` is its median latency in microseconds."""
    if "p50" in fields:
        fields["latency_us"] = dict.fromkeys(("p50", "p95", "p99"), fields.pop("p50"))
    return replace(candidate, timings=Timings.model_validate(candidate.timings.to_dict() | fields))
