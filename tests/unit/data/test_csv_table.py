"""Source `csv`."""

from pathlib import Path

import numpy as np
import pytest

from qatflow.data.base import RawData
from qatflow.data.csv_table import read_csv, read_features
from qatflow.errors import DataError
from qatflow.params.data import DataParams

GOOD = "a,label,b\n1,cat,2.5\n3,ant,-4e1\n"


def _read(tmp_path: Path, content: str | bytes, **data: str) -> RawData:
    path = tmp_path / "t.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_csv(DataParams(source="csv", path=str(path), **data))


@pytest.mark.parametrize(
    "content",
    [
        GOOD,
        "\ufeff" + GOOD,
        GOOD.replace("\n", "\r\n"),
        GOOD.rstrip("\n"),
        GOOD.replace("\n", "\n\n"),
        GOOD.replace("cat", '"cat"').replace("label", " label "),
    ],
)
def test_reads_features_and_sorted_classes(content: str, tmp_path: Path) -> None:
    raw = _read(tmp_path, content)
    (chunk,) = raw.splits["all"]()

    assert raw.class_names == ("ant", "cat")
    assert raw.feature_names == ("a", "b")
    assert (chunk.x.dtype, chunk.x.tolist()) == (np.float32, [[1.0, 2.5], [3.0, -40.0]])
    assert (chunk.y.dtype, chunk.y.tolist()) == (np.int64, [1, 0])
    assert (raw.count, raw.full_scale) == (2, None)


def test_regression_and_anomaly_need_numbers(tmp_path: Path) -> None:
    (numbers,) = _read(tmp_path, "a,label\n1,2.5\n2,1e-3\n", task="regression").splits["all"]()
    assert (numbers.y.dtype, numbers.y.ravel().tolist()) == (np.float32, [2.5, float(np.float32(1e-3))])

    (flags,) = _read(tmp_path, "a,label\n1,0\n2,1\n", task="anomaly").splits["all"]()
    assert flags.y.tolist() == [0, 1]


def test_streams_in_chunks(tmp_path: Path) -> None:
    raw = _read(tmp_path, "a,label\n" + "".join(f"{number},{number % 2}\n" for number in range(9000)))

    assert [len(chunk.x) for chunk in raw.splits["all"]()] == [8192, 808]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty; expected a header line"),
        ("a,labell\n1,2\n", r"no column 'label' \(data.label\).* a, labell\. Did you mean 'labell'"),
        ("a,a,label\n1,2,3\n", "names a column twice: a"),
        ("label\n1\n", "only the label column"),
        ("a,label\n1,x\n1\n", "line 3: 1 cells, the header has 2"),
        ("a,label\n1,x\n2,\n", "line 3: the label 'label' is missing"),
        ('a,label\n1,x\n"2,y\n', "line 3: unexpected end of data"),
        ("a,label\n1,x\xe4\n".encode("latin-1"), "not UTF-8 text"),
        ("a,label\n1,x\n".encode("utf-16"), "not UTF-8 text"),
        (b"a,label\n1,\0x\0" + b"y" * 140_000, "line 2: "),
    ],
)
def test_refuses_broken_tables_when_opened(content: str | bytes, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        _read(tmp_path, content)


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("", "the value is missing"),
        ("  ", "the value is missing"),
        ("n/a", "'n/a' is not a finite number"),
        ("nan", "'nan' is not a finite number"),
        ("-inf", "'-inf' is not a finite number"),
        ("1e39", "'1e39' is not a finite number"),
        ("1;2", "'1;2' is not a finite number"),
    ],
)
def test_names_line_and_column_of_a_bad_cell(cell: str, message: str, tmp_path: Path) -> None:
    raw = _read(tmp_path, f"a,label,b\n1,x,2\n3,y,{cell}\n")

    with pytest.raises(DataError, match=f"line 3, column 'b': {message}"):
        list(raw.splits["all"]())


@pytest.mark.parametrize(("task", "label"), [("regression", "cat"), ("anomaly", "0.5"), ("anomaly", "normal")])
def test_names_line_of_a_bad_label(task: str, label: str, tmp_path: Path) -> None:
    raw = _read(tmp_path, f"a,label\n1,0\n2,{label}\n", task=task)

    with pytest.raises(DataError, match=f"line 3, column 'label': '{label}' is no label"):
        list(raw.splits["all"]())


def test_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"is not a file; expected a \.csv file"):
        read_csv(DataParams(path=str(tmp_path)))


def test_wanted_columns_come_in_the_wanted_order_and_others_are_told(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,label,b,note\n1,cat,2.5,x\n3,ant,-4,\n")

    x, others = read_features(path, ("b", "a"))

    assert (x.dtype, x.tolist()) == (np.float32, [[2.5, 1.0], [-4.0, 3.0]])
    assert others == ("label", "note")
    with pytest.raises(DataError, match="has no column c; its header names a, label, b, note"):
        read_features(path, ("a", "c"))


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (",".join([*(f"c{number}" for number in range(30)), "diagnosis"]), "21 more …, c29, diagnosis. If 'diagnosis'"),
        ("a,species,b", "If 'species' is what to predict: --label species, or data.label in params.yaml"),
        ("a;b;label", "seems to be separated by ';'; expected commas"),
        ("a\tb", "expected commas"),
    ],
)
def test_a_header_without_the_label_shows_what_it_may_be(header: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        _read(tmp_path, f"{header}\n")
