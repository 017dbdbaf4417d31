"""A bundle loaded to answer requests: interpreters that one thread at a time leases, and what their outputs mean."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from statistics import median
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from qatflow.artifacts import Array
from qatflow.errors import ArtifactError
from qatflow.monitoring.reference import REFERENCE, Reference, load_reference
from qatflow.release.bundle import Bundle
from qatflow.release.manifest import BundleManifest, Tensor
from qatflow.tflite.batching import largest_batch
from qatflow.tflite.session import Session, TensorSpec

Floats = npt.NDArray[np.float32]
LARGEST_BATCH = 64
TIMED_RUNS = 20


class Question(NamedTuple):
    """Samples to answer. Named tuples here and in `replies`, since a frozen dataclass takes microseconds to make.

    Attributes:
        x: (n, *input shape) float32 in the data's own units; None if they came `raw`, as the model stores them.
        id: The client's name of the request; empty if it gave none.
        binary: Outputs that the client wants as bytes, behind the JSON.
        wanted: Names of outputs to return; None for all.
    """

    x: Floats | None
    raw: Array | None = None
    id: str = ""
    binary: frozenset[str] = frozenset()
    wanted: tuple[str, ...] | None = None

    @property
    def samples(self) -> int:
        """Number of samples."""
        x = self.raw if self.x is None else self.x
        assert x is not None  # noqa: S101 (one of the two is there)
        return len(x)


class Answer(NamedTuple):
    """What the model says.

    Attributes:
        scores: (n, *scores shape) float32, see `BundleManifest.scores_shape`.
        labels: (n,) indices of the likeliest class, for classification only.
        infer_s: Seconds inside the interpreter and around it.
    """

    scores: Floats
    labels: npt.NDArray[np.intp] | None
    infer_s: float


class ServedModel:
    """A bundle that answers. Safe to call from several threads.

    It is tried with a batch first; one that answers batches otherwise than single samples runs them one by one.

    Args:
        version: What the registry calls it; by default the first digits of its digest.
        device: Name in `tflite.devices.DEVICES`.

    Attributes:
        marks: Headers that say which model it is.
        sample_s: Median seconds of one sample, measured when it was loaded.
        reference: What drift is measured against; None if the bundle has none.

    Raises:
        ArtifactError: If the flatbuffer is not what the manifest says.
        ConversionError: If LiteRT refuses it.
        DeployError: If the device is not there, or does not take the whole model.
    """

    def __init__(self, bundle: Bundle, version: str | None = None, device: str = "cpu") -> None:
        self.manifest: BundleManifest = bundle.manifest
        self.sha256 = bundle.sha256
        self.version = version or bundle.sha256[:16]
        self.marks = (
            (b"x-model-version", self.version.encode()),
            (b"x-model-sha256", self.sha256.encode()),
        )
        self._model, self._device = bundle.model, device
        single = Session(bundle.model, device=device)
        for role, spec, told in (("input", single.input, self.manifest.input), ("output", single.output, self.output)):
            if Tensor.of(spec) != told:
                raise ArtifactError(
                    f"{bundle.path}: the flatbuffer's {role} is not the one that its manifest describes"
                )
        self.spec, self._sink = single.input, single.output
        self._scale, self._offset = (
            np.asarray(values, np.float32)
            for values in (self.manifest.preprocessing.scale, self.manifest.preprocessing.offset)
        )
        self._has_offset = bool(self._offset.any()) or self.spec.dtype == "float32"
        self._real = _table(single.output)
        self.reference = _reference(bundle)
        self._idle: dict[int, deque[Session]] = {1: deque([single])}
        self._largest = largest_batch(self._open, single, LARGEST_BATCH)
        self.sample_s = self._timed()

    @property
    def output(self) -> Tensor:
        """The output tensor."""
        return self.manifest.output

    def replaces(self, other: ServedModel) -> bool:
        """Whether clients of another model can rely on this one. The last classes may be new, or gone.

        Columns keep their order: who sends them without names would get other answers.
        """
        mine, its = self.manifest, other.manifest
        same = (mine.task, mine.input.shape) == (its.task, its.input.shape)
        same = same and (mine.features == its.features or not mine.features or not its.features)
        named = all(one == another for one, another in zip(mine.labels, its.labels, strict=False))
        shape, more = other.output.shape, len(mine.labels) - len(its.labels)
        return same and named and self.output.shape == ((*shape[:-1], shape[-1] + more) if more else shape)

    def answer(self, question: Question) -> Answer:
        """Return the answer to finite samples of the model's shape.

        Raises:
            ConversionError: If the model fails while it runs.
        """
        started = time.perf_counter()
        inputs = None if question.x is None else question.x * self._scale
        if inputs is not None and self._has_offset:
            inputs += self._offset
        q = question.raw if inputs is None else self.spec.quantize(inputs)
        assert q is not None  # noqa: S101 (one of the two is there)
        y = self._run(q)
        outputs = self._sink.dequantize(y) if self._real is None else self._real.take(y.view(np.uint8))
        scores, labels = outputs, None
        if self.manifest.task == "anomaly":
            inputs = self.spec.dequantize(q) if inputs is None else inputs
            scores = np.mean((outputs - inputs) ** 2, axis=tuple(range(1, inputs.ndim)), dtype=np.float32)
        elif self.manifest.task == "classification":
            scores = outputs if outputs.ndim == 2 else outputs.reshape(len(outputs), -1)
            if scores.shape[1] == 1:  # the probability of the second of two classes
                scores = np.concatenate([1 - scores, scores], axis=1)
            labels = scores.argmax(axis=1)
        return Answer(scores, labels, time.perf_counter() - started)

    def units(self, question: Question) -> Floats:
        """Return the samples in the data's own units, also those that came raw."""
        if question.x is not None:
            return question.x
        assert question.raw is not None  # noqa: S101 (one of the two is there)
        scale = np.where(self._scale == 0, np.float32(1), self._scale)
        return np.asarray((self.spec.dequantize(question.raw) - self._offset) / scale, np.float32)

    def _run(self, q: Array) -> Array:
        if len(q) == 1:
            return self._leased(q)
        return np.concatenate([self._leased(q[rows]) for rows in _slices(len(q), self._largest)])

    def _leased(self, q: Array) -> Array:
        """Run one batch in a session that no other thread has; one that failed does not come back."""
        idle = self._idle.get(len(q))
        if idle is None:
            idle = self._idle.setdefault(len(q), deque())
        try:
            session = idle.pop()
        except IndexError:
            session = self._open(len(q))
        y = session.run(q)
        idle.append(session)
        return y

    def _open(self, batch: int) -> Session:
        return Session(self._model, batch=batch, device=self._device)

    def _timed(self) -> float:
        question = Question(np.zeros((1, *self.manifest.input.shape), np.float32))
        return median(self.answer(question).infer_s for _ in range(TIMED_RUNS))


def _table(output: TensorSpec) -> Floats | None:
    """Return the real values (256,) of all bytes of an 8-bit tensor; None for wider ones.

    To look values up takes one call of NumPy, to compute them three; for a model of 5 µs these are a fifth of its time.
    """
    if output.dtype not in {"int8", "uint8"}:
        return None
    return output.dequantize(np.arange(256, dtype=np.uint8).view(output.dtype))


def _reference(bundle: Bundle) -> Reference | None:
    """Return what drift is measured against; bundles made before there was monitoring have none."""
    return load_reference(bundle.path / REFERENCE) if REFERENCE in bundle.manifest.files else None


def _slices(count: int, largest: int) -> Iterator[slice]:
    """Cut into powers of two up to the largest, so that few sessions serve every batch size."""
    start = 0
    while start < count:
        size = min(largest, 1 << ((count - start).bit_length() - 1))
        yield slice(start, start + size)
        start += size
