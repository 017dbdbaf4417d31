"""A bundle is measured on the file that a user has, as it is."""

import csv
from pathlib import Path

import numpy as np
import pytest

from qatflow.errors import DataError, ParamsError
from qatflow.evaluation.metrics import measure
from qatflow.release.bundle import load_bundle
from qatflow.release.scored import evaluate
from qatflow.tflite.runtime import Runner
from tests.unit.release.fabricate import COLUMNS, bundle, digits, flatbuffer, regressor


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory, brightness):
    return load_bundle(regressor(tmp_path_factory.mktemp("named"), brightness))


def table(path: Path, columns, x, label: str, y) -> str:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([[*columns, label], *np.hstack([x, y]).tolist()])
    return str(path)


def test_the_table_that_trained_is_scored_whatever_the_order_of_its_columns(named, brightness, tmp_path: Path):
    x, y = brightness.test.arrays(50)
    wanted = measure("regression", y, Runner(flatbuffer("regressor")).predict(x), ())
    for names, rows in ((COLUMNS, x), (COLUMNS[::-1], x[:, ::-1])):
        scored = evaluate(named, table(tmp_path / "a.csv", names, rows, "bright", y))
        assert scored.samples == 50
        assert scored.metrics == pytest.approx(wanted, rel=1e-5)


def test_other_columns_are_named(named, brightness, tmp_path: Path):
    x, y = brightness.test.arrays(5)
    path = table(tmp_path / "a.csv", ["other", *COLUMNS[1:]], x, "label", y)
    with pytest.raises(DataError, match=r"a.csv: other columns.*'other', 'pixel 0'"):
        evaluate(named, path, label="label")


def test_classes_are_matched_by_name_and_some_may_be_absent(tmp_path: Path):
    x, y = digits().test.arrays(200)
    few = y >= 8
    names = np.array(["8", "9"])
    np.savez(tmp_path / "a.npz", x=x[few] * 16, y=y[few] - 8, class_names=names)
    scored = evaluate(load_bundle(bundle(tmp_path)), str(tmp_path / "a.npz"))
    right = Runner(flatbuffer("int8")).predict(x[few]).argmax(axis=1) == y[few]
    assert scored.metrics["accuracy"] == pytest.approx(right.mean())


def test_unknown_classes_and_shapes_are_refused(tmp_path: Path):
    made = load_bundle(bundle(tmp_path))
    np.savez(tmp_path / "a.npz", x=np.ones((2, 8, 8, 1)), y=np.arange(2), class_names=np.array(["8", "cat"]))
    with pytest.raises(DataError, match="the classes cat, which the bundle does not know"):
        evaluate(made, str(tmp_path / "a.npz"))
    np.savez(tmp_path / "b.npz", x=np.ones((2, 5)), y=np.arange(2))
    with pytest.raises(DataError, match=r"b.npz: inputs have shape \(2, 5\)"):
        evaluate(made, str(tmp_path / "b.npz"))


def test_arrays_in_memory_are_measured_as_their_file_is(tmp_path: Path):
    x, y = digits().test.arrays(200)
    folder = bundle(tmp_path)
    right = Runner(flatbuffer("int8")).predict(x).argmax(axis=1) == y

    by_number, by_name = (evaluate(str(folder), (x * 16, labels)) for labels in (y, y.astype(str)))

    assert by_number == by_name
    assert (by_number.samples, by_number.metric) == (200, "accuracy")
    assert by_number.score == pytest.approx(right.mean())
    with pytest.raises(DataError, match="the classes cat, which the bundle does not know"):
        evaluate(folder, (x * 16, np.where(y == 3, "cat", y.astype(str))))


def test_a_flatbuffer_is_measured_once_its_task_is_said(tmp_path: Path):
    x, y = digits().test.arrays()
    (tmp_path / "a.tflite").write_bytes(flatbuffer("int8"))
    wanted = evaluate(flatbuffer("int8"), digits())

    assert evaluate(str(tmp_path / "a.tflite"), (x, y), task="classification") == wanted
    with pytest.raises(ParamsError, match="A flatbuffer does not say its task; name it with task="):
        evaluate(flatbuffer("int8"), (x, y))
    with pytest.raises(ParamsError, match="the bundle's is classification"):
        evaluate(bundle(tmp_path), (x, y), task="regression")
    with pytest.raises(DataError, match="Cannot read"):
        evaluate(tmp_path / "none.tflite", (x, y), task="classification")
