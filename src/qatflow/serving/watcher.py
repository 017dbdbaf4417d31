"""Follows a deploy root: loads what its pointers name while the old model serves, tries it, then swaps."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from qatflow.artifacts import write_json
from qatflow.deploy.local import CURRENT, current
from qatflow.deploy.rollout import RETREATED, Rollout, challenger_path, read_rollout, retreat_of
from qatflow.errors import DeployError, QATFlowError
from qatflow.params.serving import CanaryParams
from qatflow.serving.inference import Models
from qatflow.serving.meter import Meter
from qatflow.serving.served import ServedModel
from qatflow.serving.trial import Trial

log = logging.getLogger(__name__)


def is_root(path: Path) -> bool:
    """Say whether a folder is a deploy root, which has a pointer, and no bundle."""
    return (path / CURRENT).is_symlink()


@dataclass(frozen=True)
class Seen:
    """What the pointers named: compared by value, so that a change shows."""

    champion: Path
    rollout: Rollout | None


class Watcher:
    """Keeps `models` what a deploy root says. A pointer to what is unfit is refused once and leaves all as it is.

    Args:
        load: See `loader.Loader`.
        swapped: Called with the new champion.

    Attributes:
        refused: Why the last change was refused; None if it was not.
    """

    def __init__(
        self,
        root: Path,
        models: Models,
        meter: Meter,
        canary: CanaryParams,
        load: Callable[[Path], ServedModel],
        swapped: Callable[[ServedModel], None],
    ) -> None:
        self._load, self._swapped = load, swapped
        self._root, self._models, self._meter, self._canary = root, models, meter, canary
        self.refused: str | None = None
        self._seen: Seen | None = Seen(current(root), None)
        self._turn = asyncio.Lock()

    async def follow(self, poll_s: float) -> None:
        """Look at the pointers for ever."""
        while True:
            try:
                await self.look()
            except Exception:
                log.exception("the deploy root cannot be followed now")
            await asyncio.sleep(poll_s)

    async def look(self) -> None:
        """Follow the pointers once, and return when what they name serves or is refused."""
        async with self._turn:
            self._retreat()
            try:
                seen = Seen(current(self._root), read_rollout(self._root))
            except QATFlowError as error:
                self._refuse(str(error))
                self._seen = None  # what can be read again is looked at anew
                return
            if seen != self._seen:
                before, self._seen = self._seen, seen
                if before is None or seen.champion != before.champion:
                    await self._swap(seen.champion)
                await self._try(seen.rollout)

    async def _swap(self, bundle: Path) -> None:
        try:
            model = await self._fitting(bundle)
        except (QATFlowError, OSError) as error:
            self._refuse(f"{bundle.name}: {error}")
            return
        champion, self.refused = self._models.champion, None
        if (model.sha256, model.version) == (champion.sha256, champion.version):
            return
        self._models.champion = model
        self._meter.swaps["swapped"] += 1
        self._meter.model = facts(model)
        self._swapped(model)
        log.info("serving %s", model.sha256, extra={"event": "swap", "model_version": model.version})

    async def _try(self, rollout: Rollout | None) -> None:
        """Begin, or end, the trial of a challenger."""
        present = self._models.trial
        if rollout is None or rollout.challenger == self._models.champion.sha256[: len(rollout.challenger)]:
            self._models.trial = None
            return
        if present is not None and (present.challenger.sha256.startswith(rollout.challenger)):
            present.mode, present.share = rollout.mode, rollout.share
            return
        lost = retreat_of(self._root, rollout)
        if lost:
            self._models.trial = None
            self._refuse(f"challenger {rollout.challenger} retreated before: {'; '.join(lost)}")
            return
        try:
            model = await self._fitting(challenger_path(self._root, rollout))
        except (QATFlowError, OSError) as error:
            self._models.trial = None
            self._refuse(f"challenger {rollout.challenger}: {error}")
            return
        self._models.trial = Trial(model, rollout.mode, rollout.share, self._canary)
        log.info("trying %s", model.sha256, extra={"event": rollout.mode, "model_version": model.version})

    async def _fitting(self, bundle: Path) -> ServedModel:
        """Return a loaded bundle that clients of the champion can be answered with."""
        model = await asyncio.to_thread(self._load, bundle)
        if not model.replaces(self._models.champion):
            raise DeployError(
                "its task, shapes, columns or labels are not those of the served model; restart to change them"
            )
        return model

    def _retreat(self) -> None:
        """Note a challenger that has lost, so that people see it, and a restart does not try it again."""
        trial = self._models.trial
        if trial is None or not trial.reasons or trial.is_noted:
            return
        trial.is_noted = True
        self._meter.swaps["retreated"] += 1
        log.warning("challenger %s retreats: %s", trial.challenger.sha256, "; ".join(trial.reasons))
        try:
            write_json(self._root / RETREATED, trial.status())
        except OSError as error:
            log.warning("cannot note the retreat: %s", error.strerror)

    def _refuse(self, why: str) -> None:
        if why != self.refused:
            self._meter.swaps["refused"] += 1
            log.error("refused: %s", why, extra={"event": "refused"})
        self.refused = why


def facts(model: ServedModel) -> dict[str, str]:
    """Return what `/metrics` says of the champion."""
    return {"version": model.version, "sha256": model.sha256, "kernels": model.manifest.kernels}
