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
from qatflow.params.data import DataParams

LABELS = frozenset({"label", "labels", "class", "target", "y", "outcome", "diagnosis", "species", "category"})
"""What label columns are often called, in small letters."""

Row = tuple[int, list[str]]
ReadLabel = Callable[[str], float]
ReadLabels = Callable[[Sequence[Row]], Array]


@dataclass(frozen=True)
class Table:
    """A CSV file whose header was read.

    Attributes:
        features: Indices of the columns that are features, in their order.
    """

    path: Path
    columns: tuple[str, ...]
    features: tuple[int, ...]

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
    table, label = _open(require_file(data.path, "a .csv file with a header line"), data.label)
    count, found = _scan_labels(table, label, keep=data.task == "classification")
    names = tuple(sorted(found))
    ids = {name: number for number, name in enumerate(names)}
    readers: dict[str, ReadLabel] = {"classification": ids.__getitem__, "regression": float, "anomaly": int}
    return RawData(
        splits={"all": partial(_chunks, table, partial(_labels, table, label, readers[data.task]), data.task)},
        class_names=names,
        full_scale=None,
        count=count,
        files=(table.path,),
        feature_names=tuple(table.columns[index] for index in table.features),
    )


def read_features(path: Path, names: Sequence[str]) -> tuple[Array, tuple[str, ...]]:
    """Return the columns `names` of a table (n, names) float32 in that order, and the names of its other columns.

    Raises:
        DataError: If the file or its header cannot be used, a column is missing, or a cell is no finite number.
    """
    columns = columns_of(path)
    if missing := [name for name in names if name not in columns]:
        raise DataError(f"{path} has no column {_some(missing)}; its header names {_some(columns)}")
    table = Table(path, columns, tuple(map(columns.index, names)))
    rows = list(table.rows())
    return _features(table, rows), tuple(name for name in columns if name not in set(names))


def columns_of(path: Path) -> tuple[str, ...]:
    """Return what the first line of a table names.

    Raises:
        DataError: If there is none, or it names a column twice.
    """
    line, header = next(_lines(path), (0, []))
    columns = tuple(name.strip() for name in header)
    if not line:
        raise DataError(f"{path} is empty; expected a header line and one line for each sample")
    if twice := sorted({name for name in columns if columns.count(name) > 1}):
        raise DataError(f"{path}: the header names a column twice: {', '.join(twice[:5])}")
    return columns


def _open(path: Path, label: str) -> tuple[Table, int]:
    """Return the table, whose features are all columns but the label, and the label's index."""
    columns = columns_of(path)
    if label not in columns:
        raise DataError(_no_label(path, label, columns))
    if len(columns) < 2:
        raise DataError(f"{path} has only the label column '{label}'; expected at least one feature")
    place = columns.index(label)
    return Table(path, columns, tuple(index for index in range(len(columns)) if index != place)), place


def _no_label(path: Path, label: str, columns: Sequence[str]) -> str:
    """Say which columns there are, and which of them may be the label: one that is called so, else the last."""
    if len(columns) == 1 and (found := next((mark for mark in ";\t|" if mark in columns[0]), "")):
        return f"{path} has one column, '{columns[0][:80]}': it seems to be separated by {found!r}; expected commas"
    guess = next((name for name in columns if name.lower() in LABELS), columns[-1])
    way_out = f" If '{guess}' is what to predict: --label {guess}, or data.label in params.yaml"
    return (
        f"{path} has no column '{label}' (data.label); its header names {_some(columns)}."
        f"{nearest(label, columns) or way_out}"
    )


def _some(names: Sequence[str]) -> str:
    """List the first and the last of many names, since the label is usually the last."""
    return ", ".join(names if len(names) <= 12 else [*names[:8], f"… {len(names) - 10} more …", *names[-2:]])


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


def _scan_labels(table: Table, label: int, *, keep: bool) -> tuple[int, set[str]]:
    count, found = 0, set()
    for line, cells in table.rows():
        count += 1
        text = cells[label].strip()
        if not text:
            raise DataError(f"{table.path}, line {line}: the label '{table.columns[label]}' is missing")
        if keep:
            found.add(text)
    return count, found


def _chunks(table: Table, labels: ReadLabels, task: str) -> Iterator[Chunk]:
    size = rows_per_chunk(str(table.path), 4 * len(table.columns))
    rows = table.rows()
    while block := list(islice(rows, size)):
        y = labels(block)
        yield Chunk(_features(table, block), numeric_targets(str(table.path), y, task))


def _features(table: Table, block: Sequence[Row]) -> Array:
    cells = [[row[index] for index in table.features] for _, row in block]
    try:
        with np.errstate(over="ignore"):  # what is too large becomes inf, and is found below
            x = np.array(cells, np.float32)
    except ValueError:
        raise DataError(_first_bad_cell(table, block)) from None
    if not np.isfinite(x).all():
        raise DataError(_first_bad_cell(table, block))
    return x


def _first_bad_cell(table: Table, block: Sequence[Row]) -> str:
    places = ((line, column, row[column]) for line, row in block for column in table.features)
    line, column, cell = next(place for place in places if not _is_float32(place[2]))
    fault = f"'{cell[:40]}' is not a finite number" if cell.strip() else "the value is missing"
    return f"{table.path}, line {line}, column '{table.columns[column]}': {fault}"


def _is_float32(cell: str) -> bool:
    try:
        with np.errstate(over="ignore"):
            return bool(np.isfinite(np.array(cell).astype(np.float32)))
    except ValueError:
        return False


def _labels(table: Table, label: int, read_label: ReadLabel, block: Sequence[Row]) -> Array:
    values = []
    for line, cells in block:
        try:
            values.append(read_label(cells[label].strip()))
        except (ValueError, KeyError):
            name = table.columns[label]
            raise DataError(f"{table.path}, line {line}, column '{name}': '{cells[label]}' is no label") from None
    return np.array(values)
