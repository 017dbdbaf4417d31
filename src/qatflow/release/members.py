"""Bundles that are to become one ensemble: read, named, and held against each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from qatflow.errors import ModelError
from qatflow.release.bundle import Bundle, load_bundle
from qatflow.release.manifest import BundleManifest

STRATEGY = "ensemble"
"""What a bundle of several calls its strategy."""
COLUMNS = "list of columns"
"""Bundles of before it was kept know none, and go with any."""


def load_members(paths: Sequence[Path]) -> dict[str, Bundle]:
    """Read bundles and return them by name: their strategy, with the first digits of their digest where it is not one.

    Raises:
        ArtifactError: If one is no whole bundle.
        ModelError: If there are fewer than two, one comes twice, or they are not alike.
    """
    bundles = [load_bundle(path) for path in paths]
    if len(bundles) < 2:
        raise ModelError(f"An ensemble needs two bundles at least; given: {', '.join(map(str, paths)) or 'none'}")
    _check_distinct(bundles)
    _check_alike(bundles)
    strategies = Counter(bundle.manifest.strategy for bundle in bundles)
    return {_name(bundle, strategies): bundle for bundle in bundles}


def _name(bundle: Bundle, strategies: Mapping[str, int]) -> str:
    """An ensemble that becomes a member keeps its digest in its name, to be told from what it becomes a part of."""
    strategy = bundle.manifest.strategy
    return strategy if strategies[strategy] == 1 and strategy != STRATEGY else f"{strategy}-{bundle.sha256[:8]}"


def _check_distinct(bundles: Sequence[Bundle]) -> None:
    seen: dict[str, Path] = {}
    for bundle in bundles:
        if bundle.sha256 in seen:
            raise ModelError(
                f"{seen[bundle.sha256]} and {bundle.path} hold the same flatbuffer; one model twice is no ensemble: "
                "leave one out"
            )
        seen[bundle.sha256] = bundle.path


def _check_alike(bundles: Sequence[Bundle]) -> None:
    first, *others = bundles
    wanted = _facts(first.manifest)
    for bundle in others:
        for what, found in _facts(bundle.manifest).items():
            if found != wanted[what] and (what != COLUMNS or (found and wanted[what])):
                raise ModelError(
                    f"Members of an ensemble must be alike, but the {what} of {bundle.path} is {_short(found)}, "
                    f"that of {first.path} {_short(wanted[what])}"
                )


def _facts(manifest: BundleManifest) -> dict[str, Any]:
    """Return what must be equal, the most telling first."""
    return {
        "task": manifest.task,
        "input shape": list(manifest.input.shape),
        COLUMNS: list(manifest.features),
        "output shape": list(manifest.output.shape),
        "list of classes": list(manifest.labels),
        "preprocessing": manifest.preprocessing.model_dump(mode="json"),
    }


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 200 else f"{text[:200]}…"
