"""Makes one bundle of several, outside of any project: what `qatflow ensemble` does."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from qatflow import artifacts
from qatflow.artifacts import Array
from qatflow.data.prepared import PreparedData
from qatflow.ensemble.build import merged
from qatflow.ensemble.choose import Choice, choose
from qatflow.ensemble.figures import Judged, figures, judge
from qatflow.errors import ModelError
from qatflow.evaluation.figures import Answered, evaluation_of
from qatflow.evaluation.latency import interleaved_latency
from qatflow.evaluation.metrics import measure
from qatflow.evaluation.result import Evaluation, Timings
from qatflow.params.ensemble import EnsembleParams
from qatflow.progress import Progress
from qatflow.release.base import Candidate
from qatflow.release.bundle import Bundle, build_bundle
from qatflow.release.manifest import Lineage
from qatflow.release.members import STRATEGY, load_members
from qatflow.release.own_data import OwnData, prepare_for
from qatflow.release.quantized import RESULT, check_place, put
from qatflow.tflite.runtime import Runner

BATCH_SIZE = 256
LATENCY_RUNS = 100


def ensemble_bundles(
    paths: Sequence[Path], own: OwnData, out: Path, *, combine: str = "weighted", size: int | None = None
) -> dict[str, Any]:
    """Write a bundle of the bundles at `paths` to `out` and return the content of its result.json.

    Members are chosen and weighed on the validation split of the data; figures come from their test split.

    Args:
        paths: Of two bundles at least.
        own: The data.
        out: New, empty, or an earlier result.
        combine: Name of a combiner.
        size: Most members, chosen greedily; None takes all bundles.

    Raises:
        ArtifactError: If a bundle is not whole, or `out` is neither new, empty, nor an earlier result.
        ModelError: If the bundles are not alike, do not fit the data, or no combination of them is better than one.
        ParamsError: If there is no such combiner or data source.
        DataError: If the data cannot be used.
    """
    check_place(out)
    bundles = load_members(paths)
    with tempfile.TemporaryDirectory(prefix="qatflow-") as folder:
        data = prepare_for(next(iter(bundles.values())).manifest, own, Path(folder) / "prepared")
        wanted = EnsembleParams(members="auto" if size else tuple(bundles), size=size or 2, combine=combine)
        candidate = _combined(bundles, data, wanted, own.progress)
        result = _result(candidate, bundles)
        put(
            out,
            lambda place: build_bundle(place, candidate, data, _lineage(candidate, data, own.seed), {RESULT: result}),
        )
    return result


def _combined(
    bundles: Mapping[str, Bundle], data: PreparedData, wanted: EnsembleParams, progress: Progress
) -> Candidate:
    models = {name: bundle.model for name, bundle in bundles.items()}
    choice = choose(wanted, models, data, progress)
    if not choice.weights:
        raise ModelError(f"There is nothing to combine: {choice.reason}; use its bundle as it is")
    model = merged(choice, models, wanted.combine)
    progress("measuring", 0, 1)
    return _measured(model, choice, models, data, wanted.combine)


def _measured(model: bytes, choice: Choice, models: Mapping[str, bytes], data: PreparedData, combine: str) -> Candidate:
    y = data.test.labels()
    judges = {name: _judge(single, data) for name, single in {**models, STRATEGY: model}.items()}
    ensemble = judges.pop(STRATEGY)
    record = figures(data.task, y, ensemble, judges, choice.weights)
    x, _ = data.test.arrays(limit=1)
    own, best = interleaved_latency((model, models[record["best"]]), x, threads=1, runs=LATENCY_RUNS)
    return Candidate(
        variant=STRATEGY,
        trained=False,
        evaluation=_evaluation(ensemble, y, data),
        timings=Timings(latency_us=own, latency_ratio=own.p50 / best.p50),
        answers={},
        model=model,
        ensemble={"combine": combine, "reason": choice.reason, "losses": dict(choice.losses), **record},
        is_foreign=True,
    )


def _judge(model: bytes, data: PreparedData) -> Judged:
    runner = Runner(model)
    outputs: Array = np.concatenate([runner.predict(x).reshape(len(x), -1) for x, _ in data.test.batches(BATCH_SIZE)])
    return judge(data.task, data.test, model, outputs, data.class_names)


def _evaluation(ensemble: Judged, y: Array, data: PreparedData) -> Evaluation:
    metrics = measure(data.task, y, ensemble.values, data.class_names)
    return evaluation_of(data.task, y, Answered(ensemble.model, ensemble.values, metrics), None)


def _result(candidate: Candidate, bundles: Mapping[str, Bundle]) -> dict[str, Any]:
    members = {
        name: {**member, "bundle": str(bundles[name].path), "manifest_sha256": bundles[name].manifest_sha256}
        for name, member in candidate.members.items()
    }
    timed = {"latency_us": candidate.latency_us, "latency_ratio": candidate.timings.latency_ratio}
    told = {"strategy": STRATEGY, "tflite_accuracy": candidate.score, "test_samples": candidate.evaluation.samples}
    return {**told, **candidate.ensemble, **timed, "sha256": candidate.sha256, "members": members}


def _lineage(candidate: Candidate, data: PreparedData, seed: int) -> Lineage:
    members = {name: member["sha256"] for name, member in candidate.members.items()}
    return Lineage(
        git_commit=None,
        params_sha256=artifacts.digest({"combine": candidate.ensemble["combine"], "seed": seed}),
        data_sha256=data.card.sha256,
        data_md5=None,
        stages={},
        members=members,
    )
