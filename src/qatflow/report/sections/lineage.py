"""Where the model came from: digests of data, stages and flatbuffers, parameters, and the bundle's own chain."""

from collections.abc import Iterator, Mapping
from typing import Any

from qatflow.report import wording
from qatflow.report.read import Record, Run


def lineage(run: Run) -> Record:
    """Return (what, digest) pairs of the run, the flattened lineage of the champion's bundle, and each recipe."""
    models = [("float", run.float_model.sha256), *((v.name, v.evaluation.sha256) for v in run.variants)]
    return {
        "data": run.card.sha256,
        "models": models,
        "stages": list(run.manifests.items()),
        "bundle": list(flatten(run.lineage)),
        "recipes": [(variant.name, list(flatten(variant.recipe))) for variant in run.variants if variant.recipe],
    }


def flatten(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield (dotted name, value in words) of every leaf of a tree."""
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", wording.number(value)
