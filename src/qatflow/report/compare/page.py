"""The comparison as one self-contained page, and its finding in a sentence."""

from collections.abc import Sequence

from qatflow.report import wording
from qatflow.report.compare import tables
from qatflow.report.compare.judge import check_alike
from qatflow.report.compare.side import Side
from qatflow.report.compare.tables import Row
from qatflow.report.figures.recall import recall
from qatflow.report.figures.sizes import LayerSize, sizes
from qatflow.report.figures.svg import Figure
from qatflow.report.page import environment
from qatflow.tflite.inspect import layer_weights

SIDES = "ab"


def render(a: Side, b: Side) -> str:
    """Return the page as HTML; equal sides give equal bytes.

    Raises:
        ModelError: If the sides are unlike.
        ConversionError: If the weights of a flatbuffer cannot be read.
    """
    check_alike(a, b)
    rows = tables.figures(a, b)
    return (
        environment()
        .get_template("compare.html.j2")
        .render(
            finding=finding(a, b, rows),
            sides=[_described(name, side) for name, side in zip(SIDES, (a, b), strict=True)],
            task=a.task,
            rows=rows,
            score=wording.SCORES[a.task].name,
            variants=tables.variants(a, b),
            layers=tables.layers(a.model, b.model),
            figures=_figures(a, b),
            params=tables.differing(a.params, b.params) if a.params and b.params else None,
            lineage=tables.differing(a.lineage, b.lineage),
        )
    )


def finding(a: Side, b: Side, rows: Sequence[Row]) -> str:
    """Say in a sentence how b stands beside a."""
    found = {row.name: row for row in rows}
    score = found[wording.SCORES[a.task].name]
    better = b.model.score - a.model.score
    noise = {"within noise": " (within noise)", "not tested": " (not tested)", "real": ""}[score.verdict]
    quality = "the same score" if better == 0 else f"{score.difference} {wording.SCORES[a.task].noun}{noise}"
    size = found["Size"].difference
    return f"B, {b.model.name}, is {size} {'as' if size.startswith('as') else 'than'} A, {a.model.name}: {quality}."


def _described(name: str, side: Side) -> dict[str, str]:
    return {
        "name": name.upper(),
        "path": side.path,
        "kind": side.kind,
        "model": side.model.name,
        "sha256": side.model.sha256,
        "data": side.data_sha256,
    }


def _figures(a: Side, b: Side) -> list[Figure]:
    shared = [name for name in a.model.recalls if name in b.model.recalls]
    before, after = ({name: side.model.recalls[name] for name in shared} for side in (a, b))
    held = [_layer_sizes(side) for side in (a, b)]
    widest = max((layer.size_bytes for found in held for layer in found), default=0)
    return [
        *([recall("B", before, after, reference="A")] if shared else []),
        *(sizes(found, f"{name.upper()}: ", widest) for name, found in zip(SIDES, held, strict=True) if found),
    ]


def _layer_sizes(side: Side) -> list[LayerSize]:
    if side.model.flatbuffer is None:
        return []
    return [LayerSize(layer.name, layer.dtype, layer.integers.size) for layer in layer_weights(side.model.flatbuffer)]
