"""The table of routes: what each path answers."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from importlib.metadata import version
from typing import Any

import orjson

from qatflow.errors import MonitoringError
from qatflow.params.serving import ServingParams
from qatflow.serving import open_inference
from qatflow.serving.app import Handler
from qatflow.serving.body import read_body
from qatflow.serving.inference import MLFLOW, OPEN_INFERENCE, Inference, Request
from qatflow.serving.meter import CONTENT_TYPE, Meter
from qatflow.serving.replies import RefusalError, Reply, json_reply

MAX_LABELS = 10_000
MAX_ARCHIVE_BYTES = 64 << 20
Feedback = Callable[[list[tuple[str, str]]], Mapping[str, Any]]
Install = Callable[[bytes], Awaitable[Mapping[str, Any]]]
Table = dict[str, dict[str, Handler]]


class Routes:
    """Handlers over one inference; see `table` and `patterns`.

    Args:
        feedback: Takes (request id, label) pairs; None if nothing is recorded.
        install: Takes an archive's bytes and returns what is live then; None if this server may not be changed.
    """

    def __init__(
        self,
        inference: Inference,
        limits: ServingParams,
        meter: Meter,
        feedback: Feedback | None = None,
        install: Install | None = None,
    ) -> None:
        self._inference, self._limits, self._meter = inference, limits, meter
        self._feedback, self._install = feedback, install
        self.is_ready: Callable[[], bool] = lambda: True
        self.refused: Callable[[], str | None] = lambda: None

    def table(self) -> Table:
        """Return the paths without a variable part."""
        model = f"/v2/models/{self._inference.name}"
        return {
            "/v2": {"GET": self._server},
            "/v2/health/live": {"GET": self._live},
            "/v2/health/ready": {"GET": self._ready},
            model: {"GET": self._model},
            f"{model}/ready": {"GET": self._ready},
            f"{model}/infer": {"POST": self._infer},
            "/v2/rollout": {"GET": self._rollout},
            "/v2/feedback": {"POST": self._labels},
            "/v2/bundle": {"PUT": self._put_bundle},
            "/invocations": {"POST": self._invocations},
            "/ping": {"GET": self._ping},
            "/health": {"GET": self._ping},
            "/version": {"GET": self._version},
            "/metrics": {"GET": self._metrics},
        }

    def patterns(self) -> Table:
        """Return the paths that name a version."""
        versioned = rf"/v2/models/{re.escape(self._inference.name)}/versions/[A-Za-z0-9._-]{{1,64}}"
        return {
            versioned: {"GET": self._model},
            versioned + "/ready": {"GET": self._ready},
            versioned + "/infer": {"POST": self._infer},
        }

    async def _server(self, _: Request) -> Reply:
        about = {"name": "qatflow", "version": version("qatflow"), "extensions": ["binary_tensor_data", "rollout"]}
        return json_reply({**about, "paths": sorted(self.table())})

    async def _live(self, _: Request) -> Reply:
        return json_reply({"live": True})

    async def _ready(self, request: Request) -> Reply:
        ready = self.is_ready()
        if ready:
            self._inference.models.chosen(request, _pinned(request.path))
        return json_reply({"ready": ready}, 200 if ready else 503)

    async def _model(self, request: Request) -> Reply:
        model = self._inference.models.chosen(request, _pinned(request.path))
        return json_reply(open_inference.metadata(self._inference.name, model))

    async def _infer(self, request: Request) -> Reply:
        return await self._inference.respond(request, OPEN_INFERENCE, _pinned(request.path))

    async def _invocations(self, request: Request) -> Reply:
        return await self._inference.respond(request, MLFLOW)

    async def _ping(self, _: Request) -> Reply:
        return Reply(200 if self.is_ready() else 503, b"\n")

    async def _version(self, _: Request) -> Reply:
        return Reply(200, version("qatflow").encode(), ((b"content-type", b"text/plain; charset=utf-8"),))

    async def _metrics(self, _: Request) -> Reply:
        return Reply(200, self._meter.text(), ((b"content-type", CONTENT_TYPE),))

    async def _rollout(self, _: Request) -> Reply:
        models = self._inference.models
        champion = {"sha256": models.champion.sha256, "version": models.champion.version}
        trial = models.trial.status() if models.trial else None
        return json_reply({"champion": champion, "trial": trial, "refused": self.refused()})

    async def _labels(self, request: Request) -> Reply:
        if self._feedback is None:
            raise RefusalError(409, "this server records no requests, so that no label can be matched")
        body = await read_body(request.receive, request.headers, self._limits.max_body_bytes, self._limits.timeout_s)
        pairs = _pairs(body)
        try:
            counts = await asyncio.get_running_loop().run_in_executor(None, self._feedback, pairs)
        except MonitoringError:
            raise RefusalError(503, "labels cannot be kept now; send them again later") from None
        return json_reply(counts)

    async def _put_bundle(self, request: Request) -> Reply:
        if self._install is None:
            raise RefusalError(403, "this server's bundle cannot be changed: it needs a deploy root and --token-file")
        body = await read_body(request.receive, request.headers, MAX_ARCHIVE_BYTES, self._limits.timeout_s * 6)
        return json_reply(await self._install(body))


def _pinned(path: str) -> str | None:
    _, _, rest = path.partition("/versions/")
    return rest.split("/")[0] or None


def _pairs(body: bytes) -> list[tuple[str, str]]:
    """Return (request id, label) of `{"labels": [{"id": ..., "label": ...}]}`."""
    try:
        entries = orjson.loads(body)["labels"]
        pairs = [(entry["id"], entry["label"]) for entry in entries]
    except (orjson.JSONDecodeError, KeyError, TypeError, IndexError):
        pairs = [(None, None)]
    if not all(isinstance(part, str) and len(part) <= 256 for pair in pairs for part in pair):
        raise RefusalError(400, 'the body must be {"labels": [{"id": "…", "label": "…"}, …]}, with text in both')
    if len(pairs) > MAX_LABELS:
        raise RefusalError(413, f"{len(pairs)} labels in one request; at most {MAX_LABELS} are allowed")
    return pairs
