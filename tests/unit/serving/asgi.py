"""A server without a socket: the application is asked directly."""

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from qatflow.params.serving import CanaryParams, ServingParams
from qatflow.release.bundle import load_bundle
from qatflow.serving.app import App
from qatflow.serving.gate import Gate
from qatflow.serving.inference import Inference, Models
from qatflow.serving.meter import Meter
from qatflow.serving.routes import Routes
from qatflow.serving.served import ServedModel
from qatflow.serving.trial import Trial
from tests.unit.release import fabricate

TOKEN = "a-token-of-some-length"
LIMITS = ServingParams(max_body_bytes=4096, max_batch=8, timeout_s=0.2, max_requests=2)


@dataclass
class Answered:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Recorded:
    """Stands where the recorder does, to see what the server passes on."""

    calls: list[dict[str, Any]] = field(default_factory=list)

    def record(self, x, scores, **facts) -> None:
        self.calls.append({"x": x, "scores": scores, **facts})


class Asked:
    """An application over a real bundle, and the parts that a test looks at."""

    def __init__(self, bundle, *, tokens=(), limits=LIMITS, feedback=None, install=None) -> None:
        self.bundle = bundle
        self.model = ServedModel(load_bundle(bundle))
        self.models, self.meter, self.recorded = Models(self.model), Meter(), Recorded()
        self.inference = Inference("digits", self.models, limits, self.meter, self.recorded)
        self.routes = Routes(self.inference, limits, self.meter, feedback, install)
        self.app = App(self.routes.table(), self.routes.patterns(), Gate(tokens), self.meter)

    def __call__(self, method, path, body=b"", **headers) -> Answered:
        return asyncio.run(self.ask(method, path, body, **headers))

    async def ask(self, method, path, body=b"", *, chunks=None, client="127.0.0.1", **headers) -> Answered:
        """Ask once. `chunks` are messages of the body, None among them says that the client went away."""
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        parts = iter([body] if chunks is None else chunks)
        pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        scope = {"type": "http", "method": method, "path": path, "headers": pairs, "client": (client, 1)}
        sent: list[dict[str, Any]] = []
        left = 1 if chunks is None else len(chunks)

        async def receive() -> dict[str, Any]:
            nonlocal left
            left -= 1
            part = next(parts, "late")
            if part == "late":
                await asyncio.Event().wait()
            if part is None:
                return {"type": "http.disconnect"}
            return {"type": "http.request", "body": part, "more_body": left > 0 or (chunks and chunks[-1] == "late")}

        async def send(message) -> None:
            sent.append(message)

        await self.app(scope, receive, send)
        if not sent:
            return Answered(0, {}, b"")
        found = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        return Answered(sent[0]["status"], found, sent[1]["body"])

    def infer(self, x, **fields) -> Answered:
        return self("POST", "/v2/models/digits/infer", question(x, **fields))

    def try_challenger(self, bundle, mode="canary", share=1.0, **bounds) -> Trial:
        self.models.trial = Trial(ServedModel(load_bundle(bundle)), mode, share, CanaryParams(**bounds))
        return self.models.trial


def question(x, **fields) -> dict[str, Any]:
    tensor = {"name": "input", "shape": list(x.shape), "datatype": "FP32", "data": x.ravel().tolist()}
    return {"inputs": [{**tensor, **fields}]}


def images(count=1):
    """Digits in the data's own units, 0 to 16."""
    x, _ = fabricate.digits().test.arrays(limit=count)
    pixels = fabricate.digits().preprocessing
    return np.asarray((x - np.float32(pixels.offset)) / np.float32(pixels.scale), np.float32)
