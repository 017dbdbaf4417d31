"""Tells from a path what kind of data lie there, and what kind of labels they have."""

from pathlib import Path

from qatflow.data import SOURCES
from qatflow.data.arrays import KEYS
from qatflow.data.labels import Kind, kind_of
from qatflow.data.npz import chunk_rows, npz_names, open_npz, read_rows
from qatflow.errors import DataError, lookup, nearest
from qatflow.params.data import DataParams

KNOWN = (
    "Known: digits, an .npz, a .csv, a folder with one folder of images for each class, or a folder of idx files. "
    "Name the kind with --source."
)


def recognise(data: str | Path, source: str | None) -> tuple[str, str]:
    """Return name of the data source and path of `data`.

    Args:
        data: Path, or `digits`.
        source: Its name where the caller knows better.

    Raises:
        ParamsError: If there is no such source.
        DataError: If nothing is there, or nothing that is understood.
    """
    path = Path(data)
    if source is not None:
        lookup("data source", source, SOURCES)
        return source, str(path)
    if not path.exists() and str(data) == "digits":
        return "digits", "data"
    if not path.exists():
        raise DataError(f"Data '{data}' do not exist.{nearest(str(data), ['digits'])} {KNOWN}")
    found = _folder_kind(path) if path.is_dir() else _file_kind(path)
    if found is None:
        raise DataError(f"Data '{data}' are not understood. {KNOWN}")
    return found, str(path)


def labels_of(data: DataParams) -> Kind:
    """Tell what kind of labels there are: classes are whole numbers, texts or folders.

    Raises:
        DataError: If the labels cannot be read.
    """
    if data.source == "arrays":
        return _array_labels(Path(data.path))
    if data.source == "csv":
        return _column_labels(Path(data.path), data.label)
    return "two" if len(SOURCES[data.source](data).class_names) == 2 else "classes"


def sample_shape(data: DataParams) -> tuple[int, ...]:
    """Return the shape of the first sample; reads no more than a chunk.

    Raises:
        DataError: If the data cannot be opened for the task, or hold no sample.
    """
    raw = SOURCES[data.source](data)
    for read in raw.splits.values():
        for chunk in read():
            return chunk.x.shape[1:]
    raise DataError(f"{data.path} holds no sample")


def _folder_kind(path: Path) -> str | None:
    names = [entry.name for entry in path.iterdir()]
    if any("-images-idx3-ubyte" in name for name in names):
        return "idx"
    return "image_folder" if any((path / name).is_dir() for name in names) else None


def _file_kind(path: Path) -> str | None:
    return {".npz": "arrays", ".csv": "csv"}.get(path.suffix.lower())


def _array_labels(path: Path) -> Kind:
    present = npz_names(path)
    members = open_npz(path, {"y", "y_train"})
    labels = members.get("y", members.get("y_train"))
    if labels is None:
        if not {"x", "x_train"} & present:
            raise DataError(f"{path} holds the arrays {', '.join(sorted(present)) or 'none'}; expected {KEYS}")
        return "none"
    return kind_of(read_rows(labels, chunk_rows(labels)))


def _column_labels(path: Path, label: str) -> Kind:
    """Look at the whole column: one fraction among whole numbers makes them all real."""
    texts = SOURCES["csv"](DataParams(source="csv", path=str(path), label=label)).class_names
    try:
        values = [float(text) for text in texts]
    except ValueError:
        return "two" if len(texts) == 2 else "classes"
    if {*values} <= {0.0, 1.0}:
        return "two"
    return "classes" if all(value.is_integer() for value in values) and "." not in "".join(texts) else "numbers"
