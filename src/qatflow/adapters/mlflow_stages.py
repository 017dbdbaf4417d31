"""The stages' outputs as MLflow runs: one parent for a run of the graph, a child for each stage and variant.

Everything logged is read from the sealed outputs, so the flow, which logs as it goes, and `dvc repro`, for which the
release stage logs at the end, leave the same records.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from qatflow import artifacts, params_file
from qatflow.adapters.dvc_lock import data_md5
from qatflow.adapters.mlflow_tracking import MlflowTracker
from qatflow.data.card import DataCard
from qatflow.evaluation.metrics import SCORES
from qatflow.evaluation.result import Evaluation, Timings
from qatflow.params.root import Params
from qatflow.release.receipt import Receipt

PARENT = "QATFLOW_PARENT_RUN"
"""Environment variable by which the flow tells a stage which MLflow run it belongs to."""


class RunTracker:
    """Tracks one run of the graph. Nothing is written before the first stage really runs."""

    def __init__(self, root: Path, params: Params, reason: str) -> None:
        self._root = root
        self._params = params
        self._reason = reason
        self._parent: str | None = None

    @cached_property
    def tracker(self) -> MlflowTracker:
        """The tracking store, opened on first use: a new database takes seconds.

        Raises:
            TrackingError: If it cannot be opened.
        """
        tracking = self._params.tracking
        return MlflowTracker(tracking.uri, tracking.experiment, self._root)

    @contextmanager
    def stage(self, name: str) -> Iterator[dict[str, str]]:
        """Record a stage while the block runs it; give the environment it needs to log under the same parent."""
        tracker, parent = self.tracker, self.parent()
        with tracker.child_run(parent, name, {"stage": name.partition("@")[0]}) as run_id:
            yield {PARENT: parent}
            self.log_outputs(run_id, name)

    def parent(self) -> str:
        """Return the id of the parent run, begun on first use."""
        if self._parent is None:
            flat = params_file.flatten(self._params.model_dump(mode="json"))
            self._parent = self.tracker.start_parent("retrain", flat, {"reason": self._reason})
        return self._parent

    def log_outputs(self, run_id: str, name: str) -> None:
        """Log a finished stage's histories, figures and small files."""
        stage, _, variant = name.partition("@")
        folder = self._root / "artifacts" / stage / variant
        for path in sorted(folder.glob("*.json")):
            self.tracker.log_artifact(run_id, path)
        self.tracker.log_history(run_id, _read(folder / "history.json", []))
        for kind in (Evaluation, Timings):
            if (folder / kind.FILE).exists():
                self.tracker.log_metrics(run_id, figures(kind.read(folder).to_dict()))
        self.tracker.log_metrics(run_id, figures(_read(folder / "ensemble.json", {})))

    def finish(self, *, failed: bool) -> None:
        """End the parent run, if there is one, with the data set and the report."""
        if self._parent is None:
            return
        home = self._root / "artifacts"
        if (home / "prepare" / DataCard.FILE).exists():
            card = DataCard.read(home / "prepare")
            self.tracker.log_dataset(self._parent, card, data_md5(self._root, self._params.data.path))
        if not failed:
            self._log_outcome(self._parent, home)
        if not failed and (home / "report").exists():
            self.tracker.log_artifact(self._parent, home / "report", "report")
        self.tracker.finish(self._parent, "FAILED" if failed else "FINISHED")

    def _log_outcome(self, run_id: str, home: Path) -> None:
        """Give the parent run the champion's figures and the verdict, so that runs can be compared and sorted."""
        if not (home / "release" / Receipt.FILE).exists():
            return
        receipt = Receipt.read(home / "release")
        champion, task = receipt.champion, DataCard.read(home / "prepare").task
        measured = next((home / "evaluate").glob(f"*/{Evaluation.FILE}"), None)
        score = SCORES.get(task, "score")
        named: dict[str, float | None] = {}
        if champion is not None:
            named = {score: champion.score, "size_bytes": champion.size_bytes, "latency_us": champion.latency_us}
        named[f"float_{score}"] = None if measured is None else Evaluation.read(measured.parent).reference.score
        self.tracker.log_metrics(run_id, {key: float(value) for key, value in named.items() if value is not None})
        ships = f"{champion.variant} {champion.score:.4f}" if champion else "nothing ships"
        tags = {"verdict": receipt.decision, "why": receipt.reasons[0], "version": str(receipt.version)}
        self.tracker.describe(run_id, f"{receipt.decision}: {ships}", tags)  # MLflow's table shows 25 characters


@contextmanager
def release_run(root: Path, params: Params) -> Iterator[tuple[MlflowTracker, str]]:
    """Give the store and the parent run for a release: the flow's, or under `dvc repro` a new one with all stages."""
    parent = os.environ.get(PARENT)
    if parent:
        yield MlflowTracker(params.tracking.uri, params.tracking.experiment, root), parent
        return
    run = RunTracker(root, params, "dvc repro")
    for name in finished_stages(params):
        with run.tracker.child_run(run.parent(), name, {"stage": name.partition("@")[0]}) as run_id:
            run.log_outputs(run_id, name)
    failed = True
    try:
        yield run.tracker, run.parent()
        failed = False
    finally:
        run.finish(failed=failed)


def finished_stages(params: Params) -> list[str]:
    """Return the names of all stages that a release rests on."""
    fanned = [f"{stage}@{v}" for stage in ("quantize", "convert", "evaluate") for v in params.quantize.variants]
    return ["prepare", "pretrain", "transfer", *fanned, "ensemble", "explain"]


def figures(tree: Mapping[str, Any]) -> dict[str, float]:
    """Return the numbers of a result and of its sections as `name` and `section.name`.

    What lies deeper (per class, per layer, histograms) is left to the file, which is logged too.
    """
    sections = {key: value for key, value in tree.items() if isinstance(value, Mapping) and "histogram" not in key}
    nested = {f"{section}.{key}": value for section, values in sections.items() for key, value in values.items()}
    numbers = {key: value for key, value in {**tree, **nested}.items() if isinstance(value, (int, float))}
    return {key: float(value) for key, value in numbers.items()}


def _read(path: Path, otherwise: Any) -> Any:
    return artifacts.read_json(path) if path.exists() else otherwise
