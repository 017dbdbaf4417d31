"""Releases what was learned from a stream the way every model is released: bundle, registry, log, deployment."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from qatflow import artifacts
from qatflow.adapters import promotions
from qatflow.data.prepared import PreparedData
from qatflow.deploy.versions import tried
from qatflow.errors import DeployError, PromotionError
from qatflow.evaluation.evaluate import evaluate
from qatflow.evaluation.metrics import correct
from qatflow.online.candidates import Judged
from qatflow.params import Params
from qatflow.release import promote as promotion
from qatflow.release.base import Candidate
from qatflow.release.bundle import build_bundle
from qatflow.release.candidates import git_commit, log_candidate
from qatflow.release.log import PromotionLog
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
        number = promotion.champion(registry, log)
        if number is None or registry.version(number).sha256 != judged.sha256:
            try:
                number = self._promoted(registry, log, judged, model, number)
            except (DeployError, PromotionError) as error:
                return f"refused: {error}"
        promotions.deploy_champion(self.params, self.root, registry, number)
        return "promoted"

    def _promoted(
        self, registry: Registry, log: PromotionLog, judged: Judged, model: bytes, present: int | None
    ) -> int:
        """Register a candidate and make it the champion in place of the present one; return its version.

        Raises:
            DeployError: If its bundle does not repeat its golden outputs here.
            PromotionError: If another promotion came first.
        """
        with tempfile.TemporaryDirectory(prefix="qatflow-online-") as folder:
            bundle, candidate = self._bundle(judged, model, Path(folder))
            tried(bundle)
            number = registry.register(log_candidate(registry, candidate, bundle))
        why = f"online: {judged.learned} samples of {self.stream} learned, window {judged.window:.4f}"
        gates = {"online": judged.to_dict()}
        promotion.promote(registry, log, number, present, who=promotion.whoami(), why=why, gates=gates)
        return number

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
        extras = {ONLINE: {"stream": self.stream, **judged.to_dict(), "outcome": None}}
        said = self.params.release.card
        return build_bundle(folder / "bundle", candidate, self.data, lineage, extras, said), candidate
