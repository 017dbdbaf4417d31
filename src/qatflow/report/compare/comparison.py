"""Two models side by side as one object: `qatflow.compare` and `qatflow compare`."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

from qatflow.artifacts import write_text
from qatflow.data.given import save_given
from qatflow.data.prepared import PreparedData
from qatflow.errors import ArtifactError
from qatflow.extras import named
from qatflow.release.bundle import Bundle, load_bundle
from qatflow.release.own_data import OwnData, prepare_for
from qatflow.report.compare import page, tables
from qatflow.report.compare.read import read_side, side_of
from qatflow.report.compare.side import Side
from qatflow.report.compare.tables import Row

HEADER = ("", "A", "B", "B against A", "beyond noise?")


@dataclass(frozen=True, eq=False)
class Comparison:
    """What differs between A and B, and whether beyond noise.

    Attributes:
        finding: One sentence: how B stands beside A.
        rows: A figure each, in words.
        html: The whole page, self-contained.
    """

    finding: str
    rows: tuple[Row, ...]
    html: str = field(repr=False)

    def save(self, path: Path | str) -> Path:
        """Write the page to `path` and return it."""
        write_text(Path(path), self.html)
        return Path(path)

    def __str__(self) -> str:
        return "\n".join([self.finding, *("  ".join(cells(row)) for row in self.rows)])

    def _repr_html_(self) -> str:
        """Return the finding and the rows, for a notebook."""
        lines = (HEADER, *map(cells, self.rows))
        body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in line)}</tr>" for line in lines)
        return f"<p><b>{escape(self.finding)}</b></p><table>{body}</table>"


def cells(row: Row) -> tuple[str, ...]:
    """Return a row's texts under `HEADER`."""
    return row.name, row.a, row.b, row.difference, f"{row.verdict}{f': {row.reason}' if row.reason else ''}"


@named("qatflow.compare")
def compare(a: Bundle | Path | str, b: Bundle | Path | str, data: Any = None) -> Comparison:
    """Compare two bundles or two runs: figures, whether they differ beyond noise, layers, parameters, lineage.

    Args:
        a: A bundle or its folder, a project, a report's folder or its summary.json.
        b: What is held against it.
        data: Data that both bundles are measured on: a path, `digits`, arrays or PreparedData, as for `evaluate`, of
            which the test split counts. Without them each has the figures that it was released with, and the project
            around lends its test split to bundles of its data.

    Raises:
        ArtifactError: If there is nothing that can be compared; with data: if one is no bundle.
        ModelError: If the two are for other tasks or classes.
        DataError: If the data do not suit a bundle.

    Example:
        >>> _ = qatflow.save_bundle(qatflow.quantize(model, (x, y), "ptq_w4a8"), "narrow")
        >>> comparison = qatflow.compare("quantized", "narrow", data=(x, y))
        >>> comparison.finding.startswith("B, ptq_w4a8, is ")
        True
        >>> comparison.save("comparison.html").name
        'comparison.html'
    """
    with tempfile.TemporaryDirectory(prefix="qatflow-") as folder:
        one, other = (_side(place, data, Path(folder) / name) for name, place in (("a", a), ("b", b)))
        rows = tuple(tables.figures(one, other))
        return Comparison(page.finding(one, other, rows), rows, page.render(one, other))


def _side(place: Bundle | Path | str, data: Any, folder: Path) -> Side:
    if data is None:
        return read_side(place.path if isinstance(place, Bundle) else Path(place), Path.cwd())
    bundle = place if isinstance(place, Bundle) else _bundle(Path(place))
    return side_of(bundle, _prepared(bundle, data, folder), measured=True)


def _bundle(path: Path) -> Bundle:
    if not (path / "model.tflite").is_file():
        raise ArtifactError(f"{path} is no bundle, and only bundles can be measured on data; leave the data out")
    return load_bundle(path)


def _prepared(bundle: Bundle, data: Any, folder: Path) -> PreparedData:
    if isinstance(data, PreparedData):
        return data
    folder.mkdir()
    given = isinstance(data, (str, Path))
    source = None if given else "arrays"
    path = str(data) if given else str(save_given(data, folder, texts=True))
    return prepare_for(bundle.manifest, OwnData(path, source), folder / "prepare")
