"""Copies of the last champions' bundles beside the promotion log, so that a rollback needs no version of the registry.

Somebody may tidy the registry up, or restore it from a backup that does not know the former champion.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

from qatflow import artifacts
from qatflow.errors import ArtifactError, PromotionError
from qatflow.release.bundle import load_bundle
from qatflow.release.log import PromotionLog
from qatflow.release.ports import Registry, Version

KEPT = 5
"""Champions of the line that are kept: what is older is brought back from the registry or not at all."""


def keep(registry: Registry, log: PromotionLog, version: Version) -> None:
    """Fetch a version's bundle, verify that it is the model that the registry says, and keep it.

    Raises:
        PromotionError: If the version or its files are gone, or it is another model.
        ArtifactError: If the files are not those that were registered.
        TrackingError: If the registry does not answer.
    """
    place = _place(log, version.sha256)
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent, prefix=".new-") as folder:
        bundle = registry.download(version.number, Path(folder) / "bundle")
        found = load_bundle(bundle).sha256
        if found != version.sha256:
            raise PromotionError(
                f"Version {version.number} of {registry.name} is model {found[:12]}…, but its tag model_sha256 says "
                f"{version.sha256[:12]}…: somebody altered the tag; put it back to {found}"
            )
        if place.exists():
            return
        facts = {"model_sha256": found, "variant": version.variant}
        facts |= {"score": repr(version.score), "latency_us": repr(version.latency_us)}
        artifacts.write_json(Path(folder) / "facts.json", facts)
        Path(folder).rename(place)
        Path(folder).mkdir()  # for its context to remove


def bring_back(registry: Registry, log: PromotionLog, sha256: str) -> int | None:
    """Register a kept model anew and return its number; None if it is not kept, or what is kept is damaged."""
    place = _place(log, sha256)
    try:
        facts = artifacts.read_json(place / "facts.json")
        if load_bundle(place / "bundle").sha256 != sha256:
            return None
    except ArtifactError:
        return None
    return registry.register(registry.log_model(place / "bundle", facts, {"score": float(facts["score"])}))


def forget(log: PromotionLog, sha256s: Iterable[str]) -> None:
    """Remove every copy but those of the digests given."""
    wanted = {_place(log, sha256).name for sha256 in sha256s}
    for place in _folder(log).glob("*"):
        if place.name not in wanted:
            shutil.rmtree(place, ignore_errors=True)


def _folder(log: PromotionLog) -> Path:
    return log.path.with_suffix(".kept")


def _place(log: PromotionLog, sha256: str) -> Path:
    return _folder(log) / sha256[:16]
