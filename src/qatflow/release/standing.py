"""Measures the present champion, and the best of its line, on the data of this release: all meet on equal terms."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from qatflow.artifacts import Array
from qatflow.data.index import sample_digests
from qatflow.data.prepared import PreparedData
from qatflow.data.splits import places_of
from qatflow.errors import PromotionError
from qatflow.evaluation.answers import Answers, answers
from qatflow.evaluation.metrics import judged
from qatflow.release.base import Champion
from qatflow.release.bundle import Bundle, load_bundle
from qatflow.release.bundle_runtime import column_order
from qatflow.release.candidates import Inputs
from qatflow.release.lineage import Best
from qatflow.release.ports import Registry, Version
from qatflow.tflite.runtime import Runner

BATCH_SIZE = 1024
MIN_UNSEEN = 30
"""With fewer test samples that a former model has not seen, nothing can be compared on these alone."""


@dataclass(frozen=True)
class Standing:
    """What challengers are held against.

    Attributes:
        champion: The present champion; None before the first.
        best: The best of its line, which may be the champion.
        note: What a reader should know of it; mostly nothing.
    """

    champion: Champion | None = None
    best: Champion | None = None
    note: str = ""


def measure_standing(registry: Registry, number: int, best: Best, inputs: Inputs, folder: Path) -> Standing:
    """Return champion and best of its line, as `measure_champion` does; their bundles go into `folder`.

    A best that is gone from the registry, or whose number is another model's now, can be compared with no more: the
    champion stands for it, and the note says so.

    Raises:
        ArtifactError: If files are not those that were registered.
        PromotionError: If the champion's version or files are gone.
        ConversionError: If one does not run.
    """
    champion = measure_champion(registry, number, inputs, folder / "champion")
    left_out = _left_out(champion, inputs.data.test.count)
    if best.sha256 == champion.sha256:
        return Standing(champion, champion, left_out)
    gone = f"version {best.version}, the best of the champion's line, is gone from the registry: "
    alone = Standing(
        champion, champion, f"{gone}candidates are held against version {number} alone{left_out and f'; {left_out}'}"
    )
    try:
        found = measure_champion(registry, best.version, inputs, folder / "best")
    except PromotionError:
        return alone
    return alone if found.sha256 != best.sha256 else Standing(champion, found, left_out)


def _left_out(champion: Champion, samples: int) -> str:
    """Say which test samples count for nothing, if any, or that nobody knows which should not."""
    if not champion.is_fair:
        return (
            f"version {champion.version} does not say which samples trained it: it was made before splits went by "
            "content, and test samples that it knows may flatter it; release.gates.beats_champion: null for one run "
            "lets the best candidate take its place"
        )
    if champion.answers is None or champion.answers.rows is None:
        return ""
    seen = samples - len(champion.answers.rows)
    return (
        f"version {champion.version} was made with another split, by which {seen} of the {samples} test samples may "
        "have trained it: these are left out where candidates are held against it"
    )


def measure_champion(registry: Registry, number: int, inputs: Inputs, into: Path) -> Champion:
    """Return the champion with its score and answers on the test split, but for samples that may have trained it.

    A model answers better what it has seen, so such samples would flatter the champion for ever. Where hardly any
    other is left, all count: that can only protect the champion.

    Args:
        registry: Where it is registered.
        number: Its version.
        inputs: The candidates, of which it may be one, and the data.
        into: A new folder for its bundle.

    Raises:
        ArtifactError: If its files are not those that were registered.
        PromotionError: If its version or files are gone.
        ConversionError: If it does not run.
    """
    version = registry.version(number)
    bundle = load_bundle(registry.download(number, into))
    for candidate in inputs.candidates.values():
        if candidate.sha256 == version.sha256:
            return _champion(version, bundle, candidate.answers["test"])
    if not _is_comparable(bundle, inputs.data):
        return _champion(version, bundle, None)
    found = answers(inputs.data.task, *judge(bundle, inputs.data))
    fair = bundle.manifest.split is not None or inputs.data.card.split is None
    return replace(_champion(version, bundle, found.on(_unseen(bundle, inputs.data))), is_fair=fair)


def _unseen(bundle: Bundle, data: PreparedData) -> Array | None:
    """Return the positions of the test samples that the bundle's own split would have tested on; None for all.

    A sample's content decides its side. Data that were split by the same rule need no look.
    """
    rule, order = bundle.manifest.split, _own_order(bundle, data)
    if rule is None or (rule == data.card.split and order is None):
        return None
    columns = slice(None) if order is None else order
    chunks = (data.test.stored(rows)[..., columns] for rows in data.test.row_batches(BATCH_SIZE))
    digests = np.concatenate([sample_digests(np.ascontiguousarray(x)) for x in chunks])
    tested = places_of(digests, rule.seed) < rule.test_fraction
    if data.task == "anomaly":
        tested |= data.test.labels().reshape(-1) == 1  # no autoencoder trains on anomalies
    rows = np.flatnonzero(tested)
    return rows if MIN_UNSEEN <= len(rows) < data.test.count else None


def _champion(version: Version, bundle: Bundle, found: Answers | None) -> Champion:
    return Champion(
        version=version.number,
        variant=version.variant,
        sha256=version.sha256,
        score=None if found is None else found.score,
        answers=found,
        size_bytes=len(bundle.model),
        latency_us=version.latency_us,
    )


def _is_comparable(bundle: Bundle, data: PreparedData) -> bool:
    """Only a model for the same task, inputs and classes can be compared; columns may have another order."""
    manifest, named = bundle.manifest, bool(bundle.manifest.features and data.feature_names)
    if named and set(manifest.features) != set(data.feature_names):
        return False
    made_for = (manifest.task, manifest.input.shape, manifest.labels)
    same = made_for == (data.task, tuple(data.input_shape), tuple(data.class_names))
    return same and data.suits(manifest.output.size)


def judge(bundle: Bundle, data: PreparedData) -> tuple[Array, Array]:
    """Return labels (n, …) and what the task is judged by (n, …) of the champion on the test split."""
    runner = Runner(bundle.model)
    order = _own_order(bundle, data)
    taken = ((_as_trained(x, bundle, data, order), y) for x, y in data.test.batches(BATCH_SIZE))
    parts = [(y, judged(data.task, x, runner.predict(x))) for x, y in taken]
    labels, values = (np.concatenate(part) for part in zip(*parts, strict=True))
    return labels, values


def _as_trained(x: Array, bundle: Bundle, data: PreparedData, order: list[int] | None) -> Array:
    """Turn model inputs of these data into those of the champion, which may have been normalized otherwise."""
    now, then = data.preprocessing, bundle.manifest.preprocessing
    if (now.scale, now.offset) == (then.scale, then.offset) and order is None:
        return x
    raw = (x.astype(np.float64) - np.array(now.offset)) / np.array(now.scale)
    if order is not None:
        raw = raw[:, order]
    return np.asarray(raw * np.array(then.scale) + np.array(then.offset), np.float32)


def _own_order(bundle: Bundle, data: PreparedData) -> list[int] | None:
    """Return the positions of the data's columns in the bundle's own order; None where they stand in it."""
    names, now = bundle.manifest.features, data.feature_names
    return column_order(names, now) if names and now and names != now else None
