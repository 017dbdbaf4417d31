import numpy as np
import pytest
from PIL import Image

from qatflow.errors import DataError, ParamsError
from qatflow.params.data import DataParams
from qatflow.search.recognise import labels_of, recognise, sample_shape


@pytest.fixture
def place(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.zeros((4, 2)), y=np.arange(4))
    (tmp_path / "a.csv").write_text("x,label\n1,2\n")
    (tmp_path / "images" / "cat").mkdir(parents=True)
    (tmp_path / "idx").mkdir()
    (tmp_path / "idx" / "train-images-idx3-ubyte.gz").touch()
    (tmp_path / "empty").mkdir()
    (tmp_path / "a.txt").touch()
    return tmp_path


@pytest.mark.parametrize(
    ("name", "source"), [("a.npz", "arrays"), ("a.csv", "csv"), ("images", "image_folder"), ("idx", "idx")]
)
def test_kinds_are_told_by_what_lies_there(place, name, source):
    assert recognise(place / name, None) == (source, str(place / name))


def test_digits_need_no_path_and_a_named_source_wins(place):
    assert recognise("digits", None) == ("digits", "data")
    assert recognise(place / "a.txt", "csv") == ("csv", str(place / "a.txt"))


@pytest.mark.parametrize("name", ["a.txt", "empty"])
def test_what_is_not_understood_is_refused_with_what_is(place, name):
    with pytest.raises(DataError, match=r"not understood. Known: digits, an .npz"):
        recognise(place / name, None)


def test_missing_data_and_unknown_sources(place):
    with pytest.raises(DataError, match="do not exist"):
        recognise(place / "nothing", None)
    with pytest.raises(DataError, match="Did you mean 'digits'"):
        recognise("digit", None)
    with pytest.raises(ParamsError, match="Did you mean 'csv'"):
        recognise(place / "a.csv", "cvs")


@pytest.mark.parametrize(
    ("y", "kind"),
    [(np.arange(4), "classes"), (np.ones(4) / 2, "numbers"), (np.ones((4, 2), int), "multi_hot"), (None, "none")],
)
def test_labels_of_arrays(tmp_path, y, kind):
    np.savez(tmp_path / "a.npz", x=np.zeros((4, 2)), **({} if y is None else {"y": y}))

    assert labels_of(DataParams(source="arrays", path=str(tmp_path / "a.npz"))) == kind


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        ("1 2 3", "classes"),
        ("1 2.5 3", "numbers"),
        ("1.0 2.0", "numbers"),
        ("cat dog eel", "classes"),
        ("cat dog", "two"),
        ("0 1 1", "two"),
        ("0.0 1.0", "two"),
    ],
)
def test_labels_of_tables(tmp_path, column, kind):
    rows = "".join(f"0,{cell}\n" for cell in column.split())
    (tmp_path / "a.csv").write_text(f"x,label\n{rows}")

    assert labels_of(DataParams(source="csv", path=str(tmp_path / "a.csv"))) == kind


def test_folders_have_classes_and_arrays_need_samples(tmp_path):
    for kind, name in (("classes", "cat"), ("two", "dog"), ("classes", "eel")):
        (tmp_path / name).mkdir()
        Image.fromarray(np.zeros((2, 2), np.uint8)).save(tmp_path / name / "a.png")
        assert labels_of(DataParams(source="image_folder", path=str(tmp_path))) == kind
    np.savez(tmp_path / "a.npz", z=np.zeros(3))
    with pytest.raises(DataError, match="holds the arrays z"):
        labels_of(DataParams(source="arrays", path=str(tmp_path / "a.npz")))


def test_the_first_sample_tells_the_shape(place):
    assert sample_shape(DataParams()) == (8, 8, 1)
    assert sample_shape(DataParams(source="csv", path=str(place / "a.csv"), task="regression")) == (1,)
    np.savez(place / "none.npz", x=np.zeros((0, 2)), y=np.zeros((0, 1)))
    with pytest.raises(DataError, match="holds no sample"):
        sample_shape(DataParams(source="arrays", path=str(place / "none.npz"), task="regression"))
