"""Puts a server together: bundle, application, watcher, recorder; and runs it."""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from qatflow.deploy.archive import unpack
from qatflow.deploy.local import current, deploy_local
from qatflow.errors import QATFlowError
from qatflow.monitoring.recorder import Recorder
from qatflow.params.monitoring import MonitoringParams
from qatflow.params.serving import ServingParams
from qatflow.serving.app import App
from qatflow.serving.connection import check_hook
from qatflow.serving.gate import Gate, check_exposure
from qatflow.serving.inference import Inference, Models
from qatflow.serving.loader import Loader
from qatflow.serving.logs import native_text_logged
from qatflow.serving.meter import Meter
from qatflow.serving.replies import RefusalError
from qatflow.serving.routes import Routes
from qatflow.serving.served import ServedModel
from qatflow.serving.server import Address, Server, listening
from qatflow.serving.watcher import Watcher, facts, is_root

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

SWITCH_S = 0.0002
"""The event loop gets the interpreter back from a busy thread after so long; Python's own 5 ms would be its tail."""
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Settings:
    """What a server is to do.

    Attributes:
        bundle: A bundle, or a deploy root, which is followed.
        name: What clients call the model.
        tokens: Each opens the server; none: everyone on this machine may use it.
        recording: None to record nothing.
        trusted: One of these keys must have signed an archive that comes by `PUT /v2/bundle`; None asks for none.
    """

    bundle: Path
    name: str
    limits: ServingParams
    tokens: tuple[str, ...] = ()
    recording: MonitoringParams | None = None
    records: Path = Path("monitoring")
    trusted: tuple[Ed25519PublicKey, ...] | None = None


def serve(settings: Settings, started: Callable[[Address, ServedModel], None]) -> None:
    """Serve until SIGTERM, SIGINT or SIGHUP, then drain.

    Raises:
        ServingError: If the address is taken, or open to other machines without a token, or uvicorn is one that cannot
            shed.
        ArtifactError: If the bundle is not whole.
        DeployError: If nothing is deployed there, or it does not repeat its golden outputs here.
        ConversionError: If LiteRT refuses it.
    """
    limits, gate = settings.limits, Gate(settings.tokens)
    check_exposure(limits.host, gate)
    check_hook()
    np.seterr(over="ignore")  # what overflows is refused or clipped; asking for silence each time costs microseconds
    with listening(limits.host, limits.port) as bound:
        with native_text_logged():
            built = _Built(settings, gate)
        server = Server(built.app, limits, built.follow, lambda address: started(address, built.models.champion))
        built.routes.is_ready = lambda: not built.app.is_draining
        gc.collect()
        gc.freeze()  # else each few thousand numbers of JSON start a collection of everything that was loaded
        gc.set_threshold(50_000, 20, 100)
        sys.setswitchinterval(SWITCH_S)
        try:
            with asyncio.Runner(loop_factory=_loop_factory()) as runner:
                runner.run(server.serve([bound]))
        finally:
            if built.recorder is not None:
                built.recorder.close()


class _Built:
    """The parts of one server, wired."""

    def __init__(self, settings: Settings, gate: Gate) -> None:
        limits = settings.limits
        root = settings.bundle if is_root(settings.bundle) else None
        load = Loader(root, limits.device)
        champion = load(current(root) if root else settings.bundle)
        self.models = Models(champion)
        self.recorder = _recorder(settings, champion)
        self.meter = Meter(self._gauges)
        self.meter.model = facts(champion)
        inference = Inference(settings.name, self.models, limits, self.meter, self.recorder)
        self.watcher = (
            Watcher(root, self.models, self.meter, limits.canary, load, self._refer) if root is not None else None
        )
        feedback = self.recorder.feedback if self.recorder else None
        install = self._install if self.watcher is not None and not gate.is_open else None
        self.routes = Routes(inference, limits, self.meter, feedback, install)
        self.routes.refused = lambda: self.watcher.refused if self.watcher else None
        self.app = App(self.routes.table(), self.routes.patterns(), gate, self.meter)
        self.follow = partial(self.watcher.follow, limits.poll_s) if self.watcher else None
        self._root, self._trusted = root, settings.trusted

    def _refer(self, model: ServedModel) -> None:
        if self.recorder is not None:
            self.recorder.refer(model.reference)

    def _gauges(self) -> Mapping[str, float]:
        """Return figures of the trial and of the recorder."""
        trial = self.models.trial
        found: dict[str, Any] = self.recorder.figures() if self.recorder else {}
        figures = {f"records_{name}": value for name, value in found.items()}
        if trial is not None:
            figures |= {f"trial_{name}": value for name, value in trial.status().items()}
        return {name: float(value) for name, value in figures.items() if isinstance(value, int | float)}

    async def _install(self, archive: bytes) -> Mapping[str, Any]:
        """Deploy an archive's bundle, and return what is live then."""
        assert self._root is not None and self.watcher is not None  # noqa: S101, PT018 (else there is no such route)
        try:
            sha256 = await asyncio.to_thread(_unpacked_to, self._root, archive, self._trusted)
        except QATFlowError as error:
            log.warning("an uploaded bundle was refused: %s", error)
            raise RefusalError(
                422, "this archive holds no bundle that is whole and runs here; the log says why"
            ) from None
        await self.watcher.look()
        champion = self.models.champion
        if champion.sha256 != sha256:
            raise RefusalError(409, "the bundle was deployed, but does not serve; /v2/rollout says why")
        return {"model_sha256": champion.sha256, "model_version": champion.version}


def _unpacked_to(root: Path, archive: bytes, trusted: tuple[Ed25519PublicKey, ...] | None) -> str:
    with tempfile.TemporaryDirectory(prefix="qatflow-upload-") as folder:
        delivery = deploy_local(unpack(archive, Path(folder) / "bundle", trusted), root)
        return str(delivery["model_sha256"])


def _recorder(settings: Settings, champion: ServedModel) -> Recorder | None:
    if settings.recording is None:
        return None
    return Recorder(settings.records, champion.reference, settings.recording)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop
