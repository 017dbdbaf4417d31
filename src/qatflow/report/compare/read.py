"""Reads a side of a comparison. Everything is checked before it is believed."""

from pathlib import Path
from typing import Any

import numpy as np

from qatflow import artifacts, params_file
from qatflow.data.prepared import PreparedData, open_prepared
from qatflow.errors import ArtifactError
from qatflow.evaluation.metrics import correct, counts_samples, measure, score_of
from qatflow.evaluation.result import Metrics
from qatflow.evaluation.significance import wilson_interval
from qatflow.evaluation.sizes import zstd_bytes
from qatflow.release.bundle import Bundle, load_bundle
from qatflow.release.standing import judge
from qatflow.report import summary
from qatflow.report.around import data_of
from qatflow.report.compare.side import Model, Side
from qatflow.report.read import Run, Variant, read_run
from qatflow.report.sections.lineage import flatten

SUMMARY = "summary.json"
Record = dict[str, Any]


def read_side(path: Path, near: Path) -> Side:
    """Read what lies at `path`: a bundle, a project, a report's folder or its summary.json.

    Args:
        path: From the user.
        near: A folder; a project here or above, or where the bundle lies, lends its test split to bundles of its data.

    Raises:
        ArtifactError: If there is none of them, or it is half written or altered.
        ParamsError: If a project's params.yaml is not right.
    """
    if (path / "artifacts" / "release").is_dir():
        return _read_project(path)
    if (path / "model.tflite").exists():
        return _read_bundle(path, near)
    for file in (path, path / SUMMARY):
        if file.is_file() and file.suffix == ".json":
            return _read_summary(path, file)
    raise ArtifactError(
        f"{path} cannot be compared: expected a bundle's folder, a project with artifacts/, a report's folder or its "
        f"{SUMMARY}"
    )


def _read_bundle(path: Path, near: Path) -> Side:
    bundle = load_bundle(path)
    return side_of(bundle, data_of(bundle, path, near))


def side_of(bundle: Bundle, data: PreparedData | None, *, measured: bool = False) -> Side:
    """Return a bundle as a side.

    Args:
        bundle: Released, with its figures.
        data: Its test split tells which samples are right; None where it is not at hand.
        measured: Whether the score is that on these data, instead of the one it was released with.
    """
    manifest = bundle.manifest
    lineage = manifest.lineage.model_dump(mode="json")
    model = _bundle_model(bundle, data, measured=measured)
    return Side(
        path=str(bundle.path),
        kind="bundle",
        task=manifest.task,
        classes=tuple(manifest.labels),
        float_score=None if measured else manifest.float_score,
        model=model,
        models={model.name: model},
        data_sha256=data.card.sha256 if measured and data is not None else manifest.lineage.data_sha256,
        params={},
        lineage=dict(flatten(lineage)),
    )


def _bundle_model(bundle: Bundle, data: PreparedData | None, *, measured: bool) -> Model:
    manifest, score, samples = bundle.manifest, bundle.manifest.score, bundle.manifest.samples
    is_share = counts_samples(manifest.task)
    found: Record = {}
    if data is not None and (is_share or measured):
        y, values = judge(bundle, data)
        metrics = measure(manifest.task, y, values, data.class_names)
        score, samples = (score_of(manifest.task, metrics), len(y)) if measured else (score, samples)
        flags = correct(manifest.task, y, values) if is_share else None
        found = {"correct": flags, "recalls": _recalls(Metrics.model_validate(metrics))}
    return Model(
        name=manifest.strategy,
        sha256=bundle.sha256,
        score=score,
        size_bytes=len(bundle.model),
        interval=wilson_interval(round(score * samples), samples) if is_share else None,
        samples=samples,
        zstd_bytes=zstd_bytes(bundle.model),
        flatbuffer=bundle.model,
        **found,
    )


def _read_project(path: Path) -> Side:
    params = params_file.load(path / "params.yaml")
    run = read_run(path, params.quantize.variants)
    data = open_prepared(run.home / "prepare")
    models = {variant.name: _run_model(run, variant, data) for variant in run.variants}
    return Side(
        path=str(path),
        kind="run",
        task=run.task,
        classes=run.card.class_names,
        float_score=run.float_model.score,
        model=models[summary.focus(run).name],
        models=models,
        data_sha256=run.card.sha256,
        params=dict(flatten(params.model_dump(mode="json"))),
        lineage=dict(flatten(run.lineage)) | _of_artifacts(run.manifests),
    )


def _run_model(run: Run, variant: Variant, data: PreparedData) -> Model:
    evaluation, timings = variant.evaluation, variant.timings
    is_share = counts_samples(run.task)
    outputs = np.load(variant.measured / "outputs.npy", allow_pickle=False) if is_share else None
    return Model(
        name=variant.name,
        sha256=evaluation.sha256,
        score=evaluation.score,
        size_bytes=evaluation.size_bytes,
        interval=evaluation.score_interval,
        samples=evaluation.samples,
        agreement=evaluation.agreement_float,
        zstd_bytes=evaluation.size_zstd_bytes,
        latency_us=(timings.latency_us.p50, timings.latency_us.p95),
        latency_ratio=timings.latency_ratio,
        recalls=_recalls(evaluation.metrics),
        correct=None if outputs is None else correct(run.task, data.test.labels(), outputs),
        flatbuffer=(variant.converted / "model.tflite").read_bytes(),
    )


def _read_summary(path: Path, file: Path) -> Side:
    found = artifacts.read_json(file)
    try:
        return _summarized(path, found)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ArtifactError(f"{file} is no summary that this version can read: {error!r:.200}") from None


def _summarized(path: Path, found: Record) -> Side:
    models = {name: _summary_model(name, figures) for name, figures in found["variants"].items()}
    released = found["champion"] or {}
    best = max(models.values(), key=lambda model: model.score)
    lineage = found["lineage"]
    return Side(
        path=str(path),
        kind="report",
        task=str(found["task"]),
        classes=tuple(map(str, found["classes"])),
        float_score=float(found["float"]["accuracy"]),
        model=next((m for m in models.values() if m.sha256 == released.get("sha256")), best),
        models=models,
        data_sha256=str(lineage["data_sha256"]),
        params={},
        lineage=dict(flatten(lineage["bundle"])) | _of_artifacts(lineage["manifests"]),
    )


def _summary_model(name: str, figures: Record) -> Model:
    return Model(
        name=name,
        sha256=str(figures["sha256"]),
        score=float(figures["accuracy"]),
        size_bytes=int(figures["size_bytes"]),
        interval=_pair(figures["accuracy_interval"]),
        samples=int(figures["samples"]),
        agreement=float(figures["agreement"]),
        zstd_bytes=int(figures["size_zstd_bytes"]),
        latency_us=(float(figures["latency_us"]), None),
        latency_ratio=float(figures["latency_ratio"]),
    )


def _of_artifacts(manifests: Record) -> dict[str, str]:
    return {f"artifacts/{name}": str(sha256) for name, sha256 in manifests.items()}


def _recalls(metrics: Metrics) -> dict[str, float]:
    """A class without a test sample has no recall."""
    return {name: found.recall for name, found in metrics.per_class.items() if found.support}


def _pair(interval: list[float] | None) -> tuple[float, float] | None:
    return None if interval is None else (float(interval[0]), float(interval[1]))
