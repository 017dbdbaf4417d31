"""Makes one bundle of several, outside of any project: what `qatflow ensemble` does."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from qatflow import artifacts
from qatflow.artifacts import Array
from qatflow.data.prepare import prepare_data
from qatflow.data.prepared import PreparedData, Preprocessing, Split, open_prepared
from qatflow.ensemble.choose import Choice, choose
from qatflow.ensemble.combine import COMBINERS
from qatflow.ensemble.figures import Judged, figures, judge
from qatflow.ensemble.merge import merge
from qatflow.errors import DataError, ModelError
from qatflow.evaluation.latency import interleaved_latency
from qatflow.evaluation.metrics import measure
from qatflow.evaluation.significance import wilson_interval
from qatflow.params import DataParams, EnsembleParams
from qatflow.progress import Progress, silent
from qatflow.release.base import Candidate
from qatflow.release.bundle import Bundle, build_bundle
from qatflow.release.manifest import BundleManifest, Lineage
from qatflow.release.members import load_members
from qatflow.release.quantized import RESULT, check_place, put
from qatflow.search.recognise import recognise
from qatflow.tflite.runtime import Runner

STRATEGY = "ensemble"
BATCH_SIZE = 256
LATENCY_RUNS = 100
IMAGE_RANK = 3


@dataclass(frozen=True)
class Order:
    """What is asked for.

    Attributes:
        data: Path of data in the bundles' own units, or `digits`; see `search.recognise`.
        combine: Name of a combiner.
        size: Most members, chosen greedily; None takes all bundles.
        source: Kind of data, where it is not told from `data`.
        label: Column to predict in a CSV table.
        max_samples: Use at most so many samples of each split.
        seed: Of the splits.
        progress: Told how far the work is.
    """

    data: str
    combine: str = "weighted"
    size: int | None = None
    source: str | None = None
    label: str = "label"
    max_samples: int | None = None
    seed: int = 42
    progress: Progress = silent


def ensemble_bundles(paths: Sequence[Path], order: Order, out: Path) -> dict[str, Any]:
    """Write a bundle of the bundles at `paths` to `out` and return the content of its result.json.

    Members are chosen and weighed on the validation split of the data; figures come from their test split.

    Raises:
        ArtifactError: If a bundle is not whole, or `out` is neither new, empty, nor an earlier result.
        ModelError: If the bundles are not alike, do not fit the data, or no combination of them is better than one.
        ParamsError: If there is no such combiner or data source.
        DataError: If the data cannot be used.
    """
    check_place(out)
    bundles = load_members(paths)
    with tempfile.TemporaryDirectory(prefix="qatflow-") as folder:
        data = _prepared(order, next(iter(bundles.values())).manifest, Path(folder) / "prepared")
        candidate = _combined(bundles, data, order)
        members = {name: bundles[name].sha256 for name in candidate.members}
        result = _result(candidate, bundles)
        put(out, lambda place: build_bundle(place, candidate, data, _lineage(order, data, members), {RESULT: result}))
    return result


def _prepared(order: Order, manifest: BundleManifest, folder: Path) -> PreparedData:
    """Read, check and split the data, and give them the bundles' preprocessing."""
    source, path = recognise(order.data, order.source)
    shape = manifest.input.shape
    size = (shape[0], shape[1]) if source == "image_folder" and len(shape) == IMAGE_RANK else None
    wanted = {"source": source, "path": path, "label": order.label, "image_size": size, "task": manifest.task}
    params = DataParams.model_validate({**wanted, "max_samples": order.max_samples})
    with artifacts.stage_output(folder, "prepare") as out:
        prepare_data(params, "none", order.seed, out, order.progress)
    raw = open_prepared(folder)
    _check_fits(raw, manifest, order.data)
    preprocessing = Preprocessing(manifest.preprocessing.scale, manifest.preprocessing.offset)
    train, val, test = (Split(folder / name, preprocessing) for name in ("train", "val", "test"))
    return replace(raw, preprocessing=preprocessing, train=train, val=val, test=test)


def _check_fits(data: PreparedData, manifest: BundleManifest, path: str) -> None:
    for what, found, wanted in (
        ("samples of shape", list(data.input_shape), list(manifest.input.shape)),
        ("the classes", list(data.class_names), list(manifest.labels)),
        ("targets", data.num_outputs, manifest.output.size),
    ):
        if found != wanted:
            raise DataError(f"{path} holds {what} {found}; the bundles are for {wanted}")


def _combined(bundles: Mapping[str, Bundle], data: PreparedData, order: Order) -> Candidate:
    models = {name: bundle.model for name, bundle in bundles.items()}
    wanted = EnsembleParams(
        members=tuple(models) if order.size is None else "auto", size=order.size or 2, combine=order.combine
    )
    choice = choose(wanted, models, data, order.progress)
    if not choice.weights:
        raise ModelError(f"There is nothing to combine: {choice.reason}")
    members = {name: models[name] for name in choice.weights}
    model = merge(members, COMBINERS[order.combine], list(choice.weights.values()))
    order.progress("measuring", 0, 1)
    return _measured(model, choice, models, data, order.combine)


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
        timings={"latency_us": own, "best_latency_us": best, "latency_ratio": own["p50"] / best["p50"]},
        correct=None,
        model=model,
        ensemble={"combine": combine, "reason": choice.reason, "losses": dict(choice.losses), **record},
    )


def _judge(model: bytes, data: PreparedData) -> Judged:
    runner = Runner(model)
    outputs: Array = np.concatenate([runner.predict(x).reshape(len(x), -1) for x, _ in data.test.batches(BATCH_SIZE)])
    return judge(data.task, data.test, model, outputs, data.class_names)


def _evaluation(ensemble: Judged, y: Array, data: PreparedData) -> dict[str, Any]:
    classes = data.task == "classification"
    return {
        "task": data.task,
        "samples": len(y),
        "score": ensemble.score,
        "score_interval": wilson_interval(int(ensemble.right.sum()), len(y)) if classes else None,
        "metrics": measure(data.task, y, ensemble.values, data.class_names),
        "sha256": artifacts.sha256_bytes(ensemble.model),
    }


def _result(candidate: Candidate, bundles: Mapping[str, Bundle]) -> dict[str, Any]:
    members = {
        name: {**member, "bundle": str(bundles[name].path), "manifest_sha256": bundles[name].manifest_sha256}
        for name, member in candidate.members.items()
    }
    timed = {"latency_us": candidate.latency_us, "latency_ratio": candidate.timings["latency_ratio"]}
    told = {"strategy": STRATEGY, "tflite_accuracy": candidate.score, "test_samples": candidate.evaluation["samples"]}
    return {**told, **candidate.ensemble, **timed, "sha256": candidate.sha256, "members": members}


def _lineage(order: Order, data: PreparedData, members: Mapping[str, str]) -> Lineage:
    wanted = {"combine": order.combine, "size": order.size, "seed": order.seed, "members": members}
    return Lineage(
        git_commit=None,
        params_sha256=artifacts.digest(wanted),
        data_sha256=data.card["sha256"],
        data_md5=None,
        stages={},
        members=dict(members),
    )
