"""Releases what was learned from a stream the way every model is released: bundle, registry, log, deployment."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from qatflow import artifacts
from qatflow.adapters import promotions
from qatflow.data.prepared import PreparedData
from qatflow.deploy.versions import tried
from qatflow.errors import DeployError, PromotionError
from qatflow.evaluation.answers import load_answers
from qatflow.evaluation.evaluate import ANSWERS, evaluate
from qatflow.models.store import load_model
from qatflow.models.widen import widened
from qatflow.online.candidates import ALPHA, Judged
from qatflow.params.root import Params
from qatflow.release import promote as promotion
from qatflow.release.base import Candidate, Champion
from qatflow.release.bundle import build_bundle
from qatflow.release.candidates import Inputs, git_commit, log_candidate
from qatflow.release.lineage import best_after, best_of
from qatflow.release.log import PromotionLog, whoami
from qatflow.release.manifest import Lineage
from qatflow.release.ports import Registry
from qatflow.release.standing import measure_standing
from qatflow.tflite.convert import convert_float

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
            PromotionError: If another promotion came first, or it loses too much against the best of the line.
        """
        with tempfile.TemporaryDirectory(prefix="qatflow-online-") as folder:
            bundle, candidate = self._bundle(judged, model, Path(folder))
            tried(bundle)
            best = self._best(registry, log, present, Path(folder))
            self._check_line(candidate, best)
            number = registry.register(log_candidate(registry, candidate, bundle))
            after = best_after(candidate, number, best, ALPHA)
        why = f"online: {judged.learned} samples of {self.stream} learned, window {judged.window:.4f}"
        gates = {"online": judged.to_dict(), **after.entry()}
        promotion.promote(registry, log, number, present, who=whoami(), why=why, gates=gates, by_hand=False)
        return number

    def _best(self, registry: Registry, log: PromotionLog, present: int | None, folder: Path) -> Champion | None:
        """Return the best of the champion's line, measured on the test split; None where there is none."""
        if present is None:
            return None
        found = best_of(log.read(), registry.version(present))
        return measure_standing(registry, present, found, Inputs({}, {}, self.data), folder).best

    def _check_line(self, candidate: Candidate, best: Champion | None) -> None:
        """Hold a candidate against the best of the line, so that small losses cannot add up from course to course.

        Raises:
            PromotionError: If it loses more than `online.max_holdout_drop`.
        """
        limit = self.params.online.max_holdout_drop
        if best is not None and best.score is not None and candidate.score < best.score - limit - 1e-9:
            raise PromotionError(
                f"test split {candidate.score:.4f} is more than max_holdout_drop below {best.score:.4f} of version "
                f"{best.version}, the best of the champion's line"
            )

    def _bundle(self, judged: Judged, model: bytes, folder: Path) -> tuple[Path, Candidate]:
        """Measure a candidate on the test split, beside the float model, and build its bundle."""
        data = replace(self.data, class_names=judged.classes, num_outputs=len(judged.classes))
        float_model, wanted = self._float_model(len(judged.classes)), self.params.evaluate
        evaluation, timings = evaluate(float_model, model, data, None, wanted, folder)
        candidate = Candidate(
            variant=self.strategy,
            trained=True,
            evaluation=evaluation,
            timings=timings,
            answers=load_answers(folder / ANSWERS),
            model=model,
        )
        lineage = Lineage(
            git_commit=git_commit(self.root),
            params_sha256=artifacts.digest(self.params.model_dump(mode="json")),
            data_sha256=data.card.sha256,
            data_md5=None,
            stages=self.began,
        )
        extras = {ONLINE: {"stream": self.stream, **judged.to_dict(), "outcome": None}}
        said = self.params.release.card
        return build_bundle(folder / "bundle", candidate, data, lineage, extras, said), candidate

    def _float_model(self, classes: int) -> bytes:
        """Return the project's float flatbuffer; its outputs for classes that came later are never the highest."""
        transfer = self.root / "artifacts" / "transfer"
        if classes == self.data.num_outputs:
            return (transfer / "model.tflite").read_bytes()
        return convert_float(widened(load_model(transfer), classes))
