"""Answers inference requests: which model, on which thread, compared with the other one or not, recorded."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from qatflow.errors import ConversionError
from qatflow.params.serving import ServingParams
from qatflow.serving import mlflow_scoring, open_inference
from qatflow.serving.body import Receive, read_body
from qatflow.serving.meter import Meter
from qatflow.serving.replies import RefusalError, Reply
from qatflow.serving.served import Answer, Floats, Question, ServedModel
from qatflow.serving.trial import Trial

INLINE_S = 500e-6
"""A request that the model needs less time for is answered in the event loop: a change of thread costs 50 to 100 µs."""
MAX_COMPARING = 8


class Recording(Protocol):
    """Where answered requests go; see `qatflow.monitoring.recorder.Recorder`. Never blocks."""

    def record(self, x: Floats, scores: Floats, *, model_sha256: str, request_id: str, latency_s: float) -> None:
        """Keep samples (n, *shape) in the data's own units and their scores (n, k)."""
        ...


@dataclass(slots=True)
class Request:
    """What a handler needs of an HTTP request."""

    method: str
    path: str
    headers: Mapping[bytes, bytes]
    receive: Receive
    client: tuple[str, int] | None
    after: Callable[[], None] | None = None

    @property
    def asker(self) -> str:
        """Who asks: what it calls itself, else its connection."""
        return self.headers.get(b"x-client-id", b"").decode("latin-1") or str(self.client)


@dataclass
class Models:
    """What is served now. Changed by the event loop's thread alone; a request keeps what it found when it began."""

    champion: ServedModel
    trial: Trial | None = None

    def chosen(self, request: Request, version: str | None) -> ServedModel:
        """Return the model that answers; one client always meets the same.

        Raises:
            RefusalError: 404 if the client asks for a version that is not served.
        """
        trial = self.trial
        if version is not None:
            for model in (self.champion, *([trial.challenger] if trial else [])):
                if model.version == version:
                    return model
            raise RefusalError(404, "this version is not served; /v2/models/… names the one that is")
        return trial.challenger if trial and trial.takes(request.asker) else self.champion


@dataclass(frozen=True)
class Form:
    """A protocol: how its requests are read and its replies written."""

    parse: Callable[[bytes, Mapping[bytes, bytes], ServedModel, int], Question]
    render: Callable[[str, Question, Answer, ServedModel, str], Reply]


OPEN_INFERENCE = Form(open_inference.parse, open_inference.render)
MLFLOW = Form(mlflow_scoring.parse, mlflow_scoring.render)


class Inference:
    """Answers with the served models.

    Args:
        name: What clients call the model.
        record: None to record nothing.
    """

    def __init__(
        self, name: str, models: Models, limits: ServingParams, meter: Meter, record: Recording | None = None
    ) -> None:
        self.name, self.models, self._limits, self._meter, self._record = name, models, limits, meter, record
        self.pool = ThreadPoolExecutor(limits.threads, "inference")
        self._ids = _random_ids(secrets.token_hex(4))
        self._comparing: set[asyncio.Future[None]] = set()

    async def respond(self, request: Request, form: Form, version: str | None = None) -> Reply:
        """Return the reply to an inference request; see `Form` and `Models.chosen` for refusals."""
        started, limits, trial = time.perf_counter(), self._limits, self.models.trial
        body = await read_body(request.receive, request.headers, limits.max_body_bytes, limits.timeout_s)
        model = self.models.chosen(request, version)
        try:
            question = form.parse(body, request.headers, model, limits.max_batch)
        except RefusalError:
            self._meter.failure(model.version, "refused")
            raise
        model, answer = await self._answered(model, question, trial)
        request_id = next(self._ids)
        reply = form.render(self.name, question, answer, model, request_id)
        request.after = partial(
            self._afterwards, model, question, answer, request_id, time.perf_counter() - started, trial
        )
        headers = (*reply.headers, (b"x-request-id", request_id.encode()), *model.marks)
        return Reply(reply.status, reply.body, headers)

    async def _answered(
        self, model: ServedModel, question: Question, trial: Trial | None
    ) -> tuple[ServedModel, Answer]:
        """Run the model; where a challenger fails, the champion answers instead."""
        try:
            return model, await self._run(model, question)
        except ConversionError:
            self._meter.failure(model.version, "model")
            if trial is None or model is not trial.challenger:
                raise
            trial.failed()
            champion = self.models.champion
            return champion, await self._run(champion, question)

    async def _run(self, model: ServedModel, question: Question) -> Answer:
        if question.samples * model.sample_s <= INLINE_S:
            return model.answer(question)
        return await asyncio.get_running_loop().run_in_executor(self.pool, model.answer, question)

    def _afterwards(
        self,
        model: ServedModel,
        question: Question,
        answer: Answer,
        request_id: str,
        latency_s: float,
        trial: Trial | None,
    ) -> None:
        """Do what the client need not wait for."""
        self._meter.inference(model.version, question.samples, answer.infer_s)
        if self._record is not None:
            scores = answer.scores.reshape(len(answer.scores), -1)
            self._record.record(
                model.units(question),
                scores,
                model_sha256=model.sha256,
                request_id=request_id,
                latency_s=latency_s,
            )
        if trial is not None and trial.watches(model):
            self._compare(trial, question)

    def _compare(self, trial: Trial, question: Question) -> None:
        """Run both models in another thread; beyond a few at a time, requests are left out and counted."""
        if len(self._comparing) >= MAX_COMPARING:
            trial.skipped += 1
            return
        task = asyncio.ensure_future(self._compared(trial, self.models.champion, question))
        self._comparing.add(task)
        task.add_done_callback(self._comparing.discard)

    async def _compared(self, trial: Trial, champion: ServedModel, question: Question) -> None:
        loop = asyncio.get_running_loop()
        try:
            both = await loop.run_in_executor(
                self.pool, lambda: (champion.answer(question), trial.challenger.answer(question))
            )
        except ConversionError:
            trial.failed()
        else:
            trial.compare(*both)


def _random_ids(boot: str) -> Iterator[str]:
    """Yield ids of requests, `boot` and 64 random bits each: labels are given by them, so none may be guessed."""
    while True:
        digits = secrets.token_hex(8 * 512)  # 512 at once: asking the system each time takes 1 µs
        yield from (f"{boot}-{digits[start : start + 16]}" for start in range(0, len(digits), 16))
