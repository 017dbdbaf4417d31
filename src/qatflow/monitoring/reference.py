"""The frozen reference of a model: what its training inputs and its answers to validation inputs looked like."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from qatflow.artifacts import Array
from qatflow.data.npz import Member, open_npz, read_rows
from qatflow.errors import DataError, MonitoringError
from qatflow.monitoring.bins import BINS, Bins, freeze
from qatflow.monitoring.features import describe, embed, feature_names
from qatflow.monitoring.kernel import bandwidth, rbf
from qatflow.monitoring.saturation import saturated_shares

REFERENCE = "reference.npz"
SCHEMA = 1
RESERVOIR = 256
MAX_SAMPLES = 10_000
MAX_SIGNALS = 16
MAX_BYTES = 64 << 20


@dataclass(frozen=True)
class About:
    """What a reference says in words and single numbers.

    Attributes:
        model_sha256: Of the flatbuffer whose answers these are.
        task: `classification`, `regression` or `anomaly`.
        classes: Names in the order of the scores; empty unless the task is classification.
        shape: Of one sample in the data's own units.
        features: Names of what is watched of an input; see `features.feature_names`.
        score: Accuracy on the validation samples; None where there are no classes.
        saturated: Mean share of a training input's values outside of what the model's input tensor can hold.
        samples: Training samples that were described.
        schema: Of the file.
    """

    model_sha256: str
    task: str
    classes: tuple[str, ...]
    shape: tuple[int, ...]
    features: tuple[str, ...]
    score: float | None
    saturated: float
    samples: int
    schema: int = SCHEMA


@dataclass(frozen=True, eq=False)
class Reference:
    """What drift is measured against; equal arguments of `build_reference` give an equal one.

    Attributes:
        bins: Of the training inputs' features.
        moments: (f, 2) float32, mean and standard deviation of each feature.
        signals: (m, s) float32, what `signals` gives of the answers to validation inputs.
        class_counts: (k,) int64, how often each class was predicted there; empty unless the task is classification.
        reservoir: (r, e) float32, `features.embed` of training inputs, columns divided by `scale`.
        scale: (e,) float32.
        held: (2, 1 or channels) float32, the values that the model's input tensor can hold, in the data's own units.
    """

    about: About
    bins: Bins
    moments: Array
    signals: Array
    class_counts: Array
    reservoir: Array
    scale: Array
    held: Array

    @cached_property
    def gamma(self) -> float:
        """Of the RBF kernel: one over the median squared distance in the reservoir."""
        return bandwidth(self.reservoir)

    @cached_property
    def kernel(self) -> Array:
        """Kernel of the reservoir with itself, (r, r) float32."""
        return rbf(self.reservoir, self.reservoir, self.gamma)


def signals(task: str, scores: Array) -> Array:
    """Return the watched columns (n, s) float32 of scores (n, k): the confidence of a class, else up to 16 outputs."""
    scores = np.asarray(scores, np.float32).reshape(len(scores), -1)
    return scores.max(axis=1, keepdims=True) if task == "classification" else scores[:, :MAX_SIGNALS]


def build_reference(
    about: Mapping[str, Any],
    inputs: Iterable[Array],
    scores: Array,
    labels: Array,
    held: Array,
    columns: Sequence[str] = (),
) -> Reference:
    """Describe what a model was trained on, and how it answers.

    Args:
        about: `model_sha256`, `task` and `classes` of `About`.
        inputs: Chunks of training inputs (n, *shape) float32 in the data's own units, in random order; the first
            10,000 samples count.
        scores: (m, k) float32, the deployed model's answers to validation inputs.
        labels: (m, ...) of these; used where they are classes.
        held: See `Reference`.
        columns: Names of a table's columns, where they are known.

    Raises:
        MonitoringError: If there is no training input or no answer.
    """
    described, embedded, saturated, shape = _describe(inputs, held)
    if not len(described) or not len(scores):
        raise MonitoringError("A reference needs at least one training sample and one answer to a validation sample")
    classifies = about["task"] == "classification"
    predicted = scores.argmax(axis=1) if classifies else np.zeros(0, np.int64)
    scale = _scale(embedded, tabular=len(shape) == 1)
    return Reference(
        about=About(
            **about,
            shape=shape,
            features=feature_names(shape, columns),
            score=float((predicted == labels).mean()) if classifies else None,
            saturated=float(saturated.mean()),
            samples=len(described),
        ),
        bins=freeze(described),
        moments=np.column_stack([described.mean(axis=0), described.std(axis=0)]).astype(np.float32),
        signals=signals(about["task"], scores)[:MAX_SAMPLES],
        class_counts=np.bincount(predicted, minlength=len(about["classes"])).astype(np.int64),
        reservoir=(embedded / scale).astype(np.float32),
        scale=scale,
        held=np.asarray(held, np.float32),
    )


def to_arrays(reference: Reference) -> dict[str, Array]:
    """Return the arrays of `reference.npz`."""
    bins = reference.bins
    words = json.dumps(asdict(reference.about), sort_keys=True).encode()
    plain = {name: getattr(reference, name) for name in _PLAIN}
    return {"about": np.frombuffer(words, np.uint8), **{name: getattr(bins, name) for name in _BINS}, **plain}


def load_reference(path: Path) -> Reference:
    """Read a `reference.npz`: no pickle, sizes checked before anything is read.

    Raises:
        MonitoringError: If the file is missing, no such npz, larger than 64 MiB or does not fit together.
    """
    try:
        members = open_npz(path)
        if set(members) != {"about", *_BINS, *_PLAIN}:
            raise MonitoringError(f"{path} holds {', '.join(sorted(members))}; it is no reference of this version")
        if sum(member.shape[0] * member.row_bytes for member in members.values()) > MAX_BYTES:
            raise MonitoringError(f"{path} holds more than {MAX_BYTES >> 20} MiB; no reference is that large")
        arrays = {name: _whole(member) for name, member in members.items()}
        about = _about(json.loads(arrays.pop("about").tobytes()))
    except (DataError, ValueError, TypeError, KeyError) as error:
        raise MonitoringError(f"{path} is no reference: {error}") from None
    bins = Bins(**{name: arrays.pop(name) for name in _BINS})
    reference = Reference(about=about, bins=bins, **arrays)
    _check(path, reference)
    return reference


_BINS = ("edges", "counts")
_PLAIN = ("moments", "signals", "class_counts", "reservoir", "scale", "held")


def _describe(inputs: Iterable[Array], held: Array) -> tuple[Array, Array, Array, tuple[int, ...]]:
    described, saturated, first, count = [], [], [], 0
    for chunk in inputs:
        part = np.asarray(chunk[: MAX_SAMPLES - count], np.float32)
        if not len(part):
            break
        described.append(describe(part))
        saturated.append(saturated_shares(part, held))
        if count < RESERVOIR:
            first.append(embed(part[: RESERVOIR - count]))
        count, shape = count + len(part), part.shape[1:]
    if not count:
        return np.zeros((0, 0)), np.zeros((0, 0)), np.zeros(0), ()
    return np.concatenate(described), np.concatenate(first), np.concatenate(saturated), shape


def _scale(embedded: Array, *, tabular: bool) -> Array:
    """Return divisors (e,): columns of a table have units of their own, pixels of an image share theirs."""
    spread = embedded.std(axis=0) if tabular else np.full(embedded.shape[1], embedded.std())
    return np.where(spread > 0, spread, 1.0).astype(np.float32)


def _whole(member: Member) -> Array:
    parts = list(read_rows(member, max(1, member.shape[0])))
    return parts[0] if parts else np.zeros(member.shape, member.dtype)


def _about(words: dict[str, Any]) -> About:
    if words.get("schema") != SCHEMA:
        raise ValueError(f"its schema is {words.get('schema')}, this version reads {SCHEMA}")
    lists = {name: tuple(words[name]) for name in ("classes", "shape", "features")}
    return About(**{**words, **lists})


def _check(path: Path, reference: Reference) -> None:
    features, classes = len(reference.about.features), len(reference.about.classes)
    wanted = {
        "edges": (features, BINS + 1),
        "counts": (features, BINS + 3),
        "moments": (features, 2),
        "class_counts": (classes,),
        "scale": reference.reservoir.shape[1:],
        "signals": (len(reference.signals), *reference.signals.shape[1:2]),
    }
    found = to_arrays(reference)
    for name, shape in wanted.items():
        if found[name].shape != shape or not len(reference.reservoir) or not len(reference.signals):
            raise MonitoringError(f"{path}: '{name}' has shape {found[name].shape}; expected {shape}")
    if feature_names(reference.about.shape, reference.about.features) != reference.about.features:
        raise MonitoringError(f"{path} watches other features than this version; release the model again")
