"""Releases what was learned from a stream the way every model is released: bundle, registry, log, deployment."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from qatflow import artifacts
from qatflow.adapters import promotions
from qatflow.adapters.mlflow_registry import MlflowRegistry
from qatflow.data.prepared import PreparedData
from qatflow.errors import PromotionError
from qatflow.evaluation.evaluate import evaluate
from qatflow.evaluation.metrics import correct
from qatflow.online.candidates import Judged
from qatflow.params import Params
from qatflow.release import promote as promotion
from qatflow.release.base import Candidate
from qatflow.release.bundle import build_bundle
from qatflow.release.candidates import git_commit, metrics_of
from qatflow.release.golden import check_golden
from qatflow.release.manifest import Lineage
from qatflow.release.ports import Registry

ONLINE = "online.json"


@dataclass(frozen=True, eq=False)
class ProjectRelease:
    """Registers, promotes and deploys candidates of a course; see `online.run.Release`.

    Attributes:
        strategy: Name of the strategy that learns.
        began: Stage folder -> SHA-256 of the manifest, of what the course began with.
        stream: Its address without any secret, for the lineage.
    """

    root: Path
    params: Params
    data: PreparedData
    strategy: str
    began: dict[str, str]
    stream: str

    def __call__(self, judged: Judged, model: bytes) -> str:
        """Return `promoted`, or `refused: ` and why; a repeat with the same bytes changes nothing."""
        registry, log = promotions.open_registry(self.params, self.root), promotions.open_log(self.params, self.root)
        present = promotion.champion(registry, log)
        if present is None or registry.version(present).sha256 != judged.sha256:
            with tempfile.TemporaryDirectory(prefix="qatflow-online-") as folder:
                bundle = self._bundle(judged, model, Path(folder))
                refused = self._refusal(bundle)
                if refused is not None:
                    return f"refused: {refused}"
                try:
                    self._promote(registry, bundle, judged, present)
                except PromotionError as error:
                    return f"refused: {error}"
        promotions.deploy_champion(self.params, self.root, registry, _champion(registry, self.params, self.root))
        return "promoted"

    def _bundle(self, judged: Judged, model: bytes, folder: Path) -> tuple[Path, Candidate]:
        """Measure a candidate on the test split, beside the float model, and build its bundle."""
        float_model = (self.root / "artifacts" / "transfer" / "model.tflite").read_bytes()
        evaluate(float_model, model, self.data, None, self.params.evaluate, folder)
        candidate = Candidate(
            variant=self.strategy,
            trained=True,
            evaluation=artifacts.read_json(folder / "evaluation.json"),
            timings=artifacts.read_json(folder / "timings.json"),
            correct=correct(self.data.task, self.data.test.labels(), np.load(folder / "outputs.npy")),
            model=model,
        )
        lineage = Lineage(
            git_commit=git_commit(self.root),
            params_sha256=artifacts.digest(self.params.model_dump(mode="json")),
            data_sha256=self.data.card["sha256"],
            data_md5=None,
            stages=self.began,
        )
        learned = {"stream": self.stream, **judged.to_dict(), "outcome": None}
        extras = {ONLINE: learned}
        said = self.params.release.card
        return build_bundle(folder / "bundle", candidate, self.data, lineage, extras, said), candidate

    def _refusal(self, made: tuple[Path, Candidate]) -> str | None:
        """Return why the bundle cannot be used on this machine; None if it can."""
        check = check_golden(made[0])
        return None if check.max_lsb == 0 else check.error or f"golden outputs differ by {check.max_lsb:g} LSB"

    def _promote(self, registry: Registry, made: tuple[Path, Candidate], judged: Judged, present: int | None) -> None:
        bundle, candidate = made
        facts = {
            "model_sha256": candidate.sha256,
            "variant": candidate.variant,
            "score": repr(candidate.score),
            "latency_us": repr(candidate.latency_us),
        }
        number = registry.register(registry.log_model(bundle, facts, metrics_of(candidate)))
        why = f"online: {judged.learned} samples of {self.stream} learned, window {judged.window:.4f}"
        promotion.promote(
            registry,
            promotions.open_log(self.params, self.root),
            number,
            present,
            who=promotion.whoami(),
            why=why,
            gates={"online": judged.to_dict()},
        )


def _champion(registry: MlflowRegistry, params: Params, root: Path) -> int:
    number = promotion.champion(registry, promotions.open_log(params, root))
    assert number is not None  # noqa: S101 (one was promoted)
    return number
