"""What is learned from a stream, record by record. Nothing here knows the time, or how the records were fetched.

Equal records after an equal state give an equal state, bit for bit: that is what lets a killed learner go on from a
checkpoint as if nothing had happened. All that acts on the world outside is left to `run`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from qatflow.artifacts import Array
from qatflow.errors import ModelError, QATFlowError, lookup
from qatflow.monitoring.detectors import DETECTORS
from qatflow.online.candidates import Judge, Judged, Place
from qatflow.online.checkpoint import Checkpoint, below, named
from qatflow.online.figures import Prequential, Window
from qatflow.online.intake import Intake
from qatflow.online.learner import Learner
from qatflow.online.replay import Replay
from qatflow.online.streams.base import Record
from qatflow.params.online import OnlineParams
from qatflow.tflite.runtime import Runner

RECORDS_A_SAMPLE = 4
"""With more records than so many for a learned sample, checkpoints come by records: what a kill repeats is bounded."""
MAX_CANDIDATES = 1000
"""Of which a checkpoint keeps what came of them."""


class Parts(NamedTuple):
    """What a course is made of; each has a state of its own."""

    intake: Intake
    learner: Learner
    replay: Replay
    judge: Judge


@dataclass
class Progress:
    """Counts and marks of a course, as JSON.

    Attributes:
        offset: Of the last record that was taken; None before the first.
        records, learned: Records taken, and labelled samples learned.
        boost_until: Learning rates are raised until so many samples are learned.
        next_candidate: Samples learned at the next candidate.
        drifts: Samples learned at each detected drift, the last ones.
        checkpoint: Number of the last checkpoint.
        base, kept: Number and offset of the checkpoint behind the last candidate: the next one is learned from there.
        segments: Records taken, and number, of each checkpoint since then: random layers get a new seed at each.
        holdout_at_start: Accuracy on the hold-out of what was deployed when learning began.
    """

    offset: str | None = None
    records: int = 0
    learned: int = 0
    boost_until: int = 0
    next_candidate: int = 0
    drifts: tuple[int, ...] = ()
    checkpoint: int = -1
    base: int = 0
    kept: str | None = None
    segments: tuple[tuple[int, int], ...] = ()
    holdout_at_start: float = 0.0


class Course:
    """A learner on its way through a stream.

    Args:
        parts: In their first state.
        model: The flatbuffer that predicts: the champion.
        calibration: Samples (n, *input shape) float32 for conversions.
        settings: Section `online` of params.yaml.

    Raises:
        ParamsError: If there is no such drift detector.
    """

    def __init__(self, parts: Parts, model: bytes, calibration: Array, settings: OnlineParams) -> None:
        self.parts, self.settings, self._calibration = parts, settings, calibration
        self._detector_of: Callable[..., Any] = lookup("drift detector", settings.drift_detector, DETECTORS)
        self._detector = self._detector_of(None)
        self.prequential = Prequential()
        self.window = Window(settings.window, parts.judge.x.shape[1:])
        self.candidates: list[Judged] = []
        self.now = Progress(next_candidate=settings.candidate_every)
        self.pending: bytes | None = None
        self._learned_at_checkpoint = self.records_at_checkpoint = 0
        self._set_model(model)

    def measure_start(self) -> None:
        """Note what is deployed can, which candidates are held to. A course that is restored knows it.

        Raises:
            ModelError: If the model that learning begins with, which need not be what is deployed, cannot be converted.
        """
        try:
            Runner(self.parts.learner.flatbuffer(self._calibration))
        except QATFlowError as error:
            raise ModelError(f"The model that learning would begin with cannot be converted: {error}") from None
        self.now.holdout_at_start = self.parts.judge.holdout(self._runner)

    def take(self, record: Record) -> str | None:
        """Take the next record; return why it cannot be used, None if it can.

        Raises:
            ModelError: If the loss is lost, or a new class needs an output that the model's head cannot get.
        """
        self.now.offset, self.now.records = record.offset, self.now.records + 1
        reason = self.parts.intake.take(record.payload)
        if len(self.parts.intake.names) > self.parts.learner.classes:
            self.parts.learner.grow(len(self.parts.intake.names))
        while (batch := self.parts.intake.batch(self.settings.batch_size)) is not None:
            self._learn(*batch)
        return reason

    @property
    def candidate_due(self) -> bool:
        """Whether it is time for a candidate."""
        return self.now.learned >= self.now.next_candidate

    @property
    def checkpoint_due(self) -> bool:
        """Whether a whole interval was learned since the last checkpoint; or many records brought little to learn."""
        every = self.settings.checkpoint_every
        whole = self.now.learned // every > self._learned_at_checkpoint // every
        return whole or self.now.records - self.records_at_checkpoint >= RECORDS_A_SAMPLE * every

    def candidate(self) -> tuple[Judged, bytes]:
        """Convert what was learned and judge it; it is among `candidates` from here on."""
        model = self.parts.learner.flatbuffer(self._calibration)
        number = self.candidates[-1].number + 1 if self.candidates else 1
        names, offset = self.parts.intake.names, self.now.offset or ""
        place = Place(number, self.now.learned, names, offset, self.now.holdout_at_start)
        judged = self.parts.judge(model, self._runner, self.window, place)
        self.candidates = [*self.candidates, judged][-MAX_CANDIDATES:]
        self.now.next_candidate = self.now.learned + self.settings.candidate_every
        self.pending = model if judged.outcome == "pending" else None
        return judged, model

    def settle(self, outcome: str) -> None:
        """Note what came of the pending candidate's release; one that was promoted predicts from here on."""
        if outcome == "promoted" and self.pending is not None:
            self._set_model(self.pending)
        self.candidates[-1] = replace(self.candidates[-1], outcome=outcome)
        self.pending = None

    def checkpoint(self, *, base: bool = False) -> Checkpoint:
        """Return all that the course is; the next one has the next number. `base`: a new candidate's records begin."""
        self.now.checkpoint += 1
        mark = (self.now.records, self.now.checkpoint)
        self.now.segments = () if base else (*self.now.segments, mark)
        if base:
            self.now.base, self.now.kept = self.now.checkpoint, self.now.offset
        self._learned_at_checkpoint, self.records_at_checkpoint = self.now.learned, self.now.records
        parts = self.parts
        owners: dict[str, Mapping[str, Array]] = {
            "learner": parts.learner.state(),
            "replay": parts.replay.arrays(),
            "intake": parts.intake.arrays(),
            "prequential": self.prequential.arrays(),
            "window": self.window.arrays(),
            "pending": {} if self.pending is None else {"model": np.frombuffer(self.pending, np.uint8)},
        }
        facts = {
            **vars(self.now),
            "drifts": list(self.now.drifts),
            "segments": [list(mark) for mark in self.now.segments],
            "intake": parts.intake.state(),
            "replay": parts.replay.state(),
            "detector": self._detector.state(),
            "candidates": [judged.to_dict() for judged in self.candidates],
        }
        arrays = {name: value for owner, held in owners.items() for name, value in named(owner, held).items()}
        parts.learner.begin_segment(self.now.checkpoint)
        return Checkpoint(self.now.checkpoint, arrays, facts, self.model)

    def restore(self, checkpoint: Checkpoint) -> None:
        """Go on from a checkpoint.

        Raises:
            ModelError: If it is the state of another model.
        """
        arrays, facts, parts = checkpoint.arrays, dict(checkpoint.facts), self.parts
        parts.learner.restore(below("learner", arrays), len(facts["intake"]["names"]))
        parts.replay.restore(below("replay", arrays), facts["replay"])
        parts.intake.restore(below("intake", arrays), facts["intake"])
        self.prequential.restore(below("prequential", arrays))
        self.window.restore(below("window", arrays))
        self._detector = self._detector_of(facts["detector"])
        self.candidates = [Judged.from_dict(judged) for judged in facts["candidates"]]
        self.now = Progress(**{name: facts[name] for name in vars(Progress())})
        self.now.drifts = tuple(facts["drifts"])
        self.now.segments = tuple((records, number) for records, number in facts["segments"])
        self._set_model(checkpoint.model)
        held = below("pending", arrays)
        self.pending = held["model"].tobytes() if held else None
        self._learned_at_checkpoint, self.records_at_checkpoint = self.now.learned, self.now.records
        parts.learner.begin_segment(self.now.checkpoint)

    def _set_model(self, model: bytes) -> None:
        self.model, self._runner = model, Runner(model)

    def _learn(self, x: Array, labels: Array) -> None:
        """Test, then train: the champion's answers are counted before the learner sees the samples."""
        right = self._runner.predict(x).argmax(axis=1) == labels
        self.prequential.add(right)
        boost = self.settings.drift_boost if self.now.learned < self.now.boost_until else 1.0
        old_x, old_labels = self.parts.replay.draw(self.settings.replay)
        self.parts.learner.learn(np.concatenate([x, old_x]), np.concatenate([labels, old_labels]), boost)
        self.parts.replay.add(x, labels)
        self.window.add(x, labels)
        self.now.learned += len(labels)
        if any([self._detector.update(float(not hit)) for hit in right.tolist()]):  # noqa: C419 (each must be taken)
            self._drifted()

    def _drifted(self) -> None:
        """Learn faster for a while, and judge a candidate once the new window was learned."""
        now, settings = self.now, self.settings
        now.drifts = (*now.drifts, now.learned)[-MAX_CANDIDATES:]
        now.boost_until = now.learned + settings.boost_samples
        now.next_candidate = min(now.next_candidate, now.learned + settings.window)
