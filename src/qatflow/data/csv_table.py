"""Source `csv`: a table with a header, numeric features and one label column."""

import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np

from qatflow.artifacts import Array
from qatflow.data.base import Chunk, RawData
from qatflow.data.files import require_file
from qatflow.data.labels import numeric_targets
from qatflow.data.limits import rows_per_chunk
from qatflow.errors import DataError, nearest
from qatflow.params import DataParams

Row = tuple[int, list[str]]
ReadLabel = Callable[[str], float]


@dataclass(frozen=True)
class Table:
    """A CSV file whose header was read. All columns but `label` are features."""

    path: Path
    columns: tuple[str, ...]
    label: int

    def rows(self) -> Iterator[Row]:
        """Yield line number and cells of each row.

        Raises:
            DataError: If the text is not UTF-8, or a row has another number of cells than the header.
        """
        for line, cells in islice(_lines(self.path), 1, None):
            if len(cells) != len(self.columns):
                raise DataError(f"{self.path}, line {line}: {len(cells)} cells, the header has {len(self.columns)}")
            yield line, cells


def read_csv(data: DataParams) -> RawData:
    """Open a UTF-8 table (comma, header, with or without BOM). Samples are (features,) float32.

    Classes are the different texts in the label column, sorted. Regression and anomaly need numbers there.

    Raises:
        DataError: If the file or its header cannot be used.
    """
    table = _open(require_file(data.path, "a .csv file with a header line"), data.label)
    count, found = _scan_labels(table, keep=data.task == "classification")
    names = tuple(sorted(found))
    ids = {name: number for number, name in enumerate(names)}
    readers: dict[str, ReadLabel] = {"classification": ids.__getitem__, "regression": float, "anomaly": int}
    return RawData(
        splits={"all": partial(_chunks, table, readers[data.task], data.task)},
        class_names=names,
        full_scale=None,
        count=count,
        files=(table.path,),
        feature_names=table.columns[: table.label] + table.columns[table.label + 1 :],
    )


def _open(path: Path, label: str) -> Table:
    line, header = next(_lines(path), (0, []))
    columns = tuple(name.strip() for name in header)
    if not line:
        raise DataError(f"{path} is empty; expected a header line and one line for each sample")
    if label not in columns:
        raise DataError(
            f"{path} has no column '{label}' (data.label); its header names {', '.join(columns[:20])}."
            f"{nearest(label, columns)}"
        )
    if twice := sorted({name for name in columns if columns.count(name) > 1}):
        raise DataError(f"{path}: the header names a column twice: {', '.join(twice[:5])}")
    if len(columns) < 2:
        raise DataError(f"{path} has only the label column '{label}'; expected at least one feature")
    return Table(path, columns, columns.index(label))


def _lines(path: Path) -> Iterator[Row]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, strict=True)
        try:
            for cells in reader:
                if cells:
                    yield reader.line_num, cells
        except UnicodeDecodeError as error:
            raise DataError(f"{path} is not UTF-8 text after line {reader.line_num}: {error.reason}") from None
        except csv.Error as error:
            raise DataError(f"{path}, line {reader.line_num}: {error}") from None


def _scan_labels(table: Table, *, keep: bool) -> tuple[int, set[str]]:
    count, found = 0, set()
    for line, cells in table.rows():
        count += 1
        label = cells[table.label].strip()
        if not label:
            raise DataError(f"{table.path}, line {line}: the label '{table.columns[table.label]}' is missing")
        if keep:
            found.add(label)
    return count, found


def _chunks(table: Table, read_label: ReadLabel, task: str) -> Iterator[Chunk]:
    size = rows_per_chunk(str(table.path), 4 * len(table.columns))
    rows = table.rows()
    while block := list(islice(rows, size)):
        y = _labels(table, block, read_label)
        yield Chunk(_features(table, block), numeric_targets(str(table.path), y, task))


def _features(table: Table, block: Sequence[Row]) -> Array:
    cells = [row[: table.label] + row[table.label + 1 :] for _, row in block]
    try:
        with np.errstate(over="ignore"):  # what is too large becomes inf, and is found below
            x = np.array(cells, np.float32)
    except ValueError:
        raise DataError(_first_bad_cell(table, block)) from None
    if not np.isfinite(x).all():
        raise DataError(_first_bad_cell(table, block))
    return x


def _first_bad_cell(table: Table, block: Sequence[Row]) -> str:
    places = ((line, column, cell) for line, row in block for column, cell in enumerate(row) if column != table.label)
    line, column, cell = next(place for place in places if not _is_float32(place[2]))
    fault = f"'{cell[:40]}' is not a finite number" if cell.strip() else "the value is missing"
    return f"{table.path}, line {line}, column '{table.columns[column]}': {fault}"


def _is_float32(cell: str) -> bool:
    try:
        with np.errstate(over="ignore"):
            return bool(np.isfinite(np.array(cell).astype(np.float32)))
    except ValueError:
        return False


def _labels(table: Table, block: Sequence[Row], read_label: ReadLabel) -> Array:
    values = []
    for line, cells in block:
        try:
            values.append(read_label(cells[table.label].strip()))
        except (ValueError, KeyError):
            name = table.columns[table.label]
            raise DataError(f"{table.path}, line {line}, column '{name}': '{cells[table.label]}' is no label") from None
    return np.array(values)
