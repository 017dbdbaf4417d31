"""Source `arrays`."""

import json
from collections.abc import Callable

import numpy as np
import pytest

from qatflow.data.arrays import read_arrays
from qatflow.errors import DataError
from qatflow.params.data import DataParams

Save = Callable[..., str]


def _read(path: str, **data: str) -> object:
    return read_arrays(DataParams(source="arrays", path=path, **data))


def test_plain_arrays_are_one_split(save_npz: Save) -> None:
    raw = read_arrays(DataParams(path=save_npz(x=np.zeros((9000, 2)), y=np.arange(9000) % 3)))
    chunks = list(raw.splits["all"]())

    assert [len(chunk.x) for chunk in chunks] == [8192, 808]
    assert (raw.class_names, raw.full_scale, raw.count) == (("0", "1", "2"), None, 9000)


def test_given_splits_are_kept(save_npz: Save) -> None:
    parts = {f"{kind}_{split}": np.arange(4).reshape(4, -1) for kind in "xy" for split in ("train", "val", "test")}
    raw = read_arrays(DataParams(path=save_npz(**parts)))

    assert list(raw.splits) == ["train", "val", "test"]
    assert raw.count == 12


def test_uint8_is_scaled_by_255_and_gray_images_get_a_channel(save_npz: Save) -> None:
    raw = read_arrays(DataParams(path=save_npz(x=np.zeros((4, 6, 5), np.uint8), y=np.arange(4))))
    (chunk,) = raw.splits["all"]()

    assert raw.full_scale == 255.0
    assert chunk.x.shape == (4, 6, 5, 1)


def test_float_sequences_get_no_channel(save_npz: Save) -> None:
    raw = read_arrays(DataParams(path=save_npz(x=np.zeros((4, 6, 5)), y=np.arange(4))))
    (chunk,) = raw.splits["all"]()

    assert chunk.x.shape == (4, 6, 5)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": np.zeros((3, 1))}, "holds the arrays x; expected x and y; or x_train"),
        ({"x_train": np.zeros((3, 1)), "y_train": np.arange(3)}, "x_train, y_train; expected"),
        ({}, "holds the arrays none"),
        ({"x": np.zeros((3, 1)), "y": np.arange(4)}, "'x' has 3 samples, 'y' has 4"),
        ({"x": np.zeros((3, 1)), "y": np.array([0, 1, 9])}, "label out of range"),
        ({"x": np.zeros((3, 1)), "y": np.array([0.5, 1, 2])}, "needs one integer"),
        ({"x": np.array([object()] * 3), "y": np.arange(3)}, "Python objects"),
    ],
)
def test_refuses_other_contents(arrays: dict[str, np.ndarray], message: str, save_npz: Save) -> None:
    with pytest.raises(DataError, match=message):
        _read(save_npz(**arrays))


@pytest.mark.parametrize("name", ["../x", "/etc/x", "x/../y"])
def test_names_that_climb_out_of_the_archive_are_no_arrays(name: str, save_npz: Save) -> None:
    path = save_npz(**{name: np.zeros((3, 1)), "y": np.arange(3)})

    with pytest.raises(DataError, match=f"holds the arrays {min(name, 'y')}.*expected x and y"):
        _read(path)


def test_missing_file() -> None:
    with pytest.raises(DataError, match=r"'no\.npz' does not exist; expected an \.npz file with the arrays x and y"):
        _read("no.npz")


def _bytes(names: object) -> np.ndarray:
    return np.frombuffer(json.dumps(names).encode(), np.uint8)


def test_classes_may_have_names(save_npz: Save) -> None:
    names = _bytes(["a", "bé", "c"])
    raw = read_arrays(DataParams(path=save_npz(x=np.zeros((4, 2)), y=np.array([0, 2, 2, 0]), class_names=names)))

    assert raw.class_names == ("a", "bé", "c")


@pytest.mark.parametrize("names", [["a", "b"], ["a", "a", "b"], "abc", [], [1, 2, 3], ["a", "", "c"]])
def test_names_that_do_not_fit_are_refused(save_npz: Save, names: object) -> None:
    with pytest.raises(DataError, match="class_names"):
        _read(save_npz(x=np.zeros((4, 2)), y=np.array([0, 2, 2, 0]), class_names=_bytes(names)))


def test_texts_name_classes_too(save_npz: Save) -> None:
    names = np.array(["a", "bé", "c"])
    raw = read_arrays(DataParams(path=save_npz(x=np.zeros((4, 2)), y=np.array([0, 2, 2, 0]), class_names=names)))

    assert raw.class_names == ("a", "bé", "c")


@pytest.mark.parametrize("names", [_bytes(["a", "b"]), np.array(["a", "b"])])
def test_columns_may_have_names(save_npz: Save, names: np.ndarray) -> None:
    raw = read_arrays(DataParams(path=save_npz(x=np.zeros((4, 2)), y=np.arange(4), feature_names=names)))

    assert raw.feature_names == ("a", "b")


@pytest.mark.parametrize(
    ("x", "names"), [((4, 2), ["a"]), ((4, 2), ["a", "a"]), ((4, 2, 2), ["a", "b"]), ((4, 2), ["a", ""])]
)
def test_names_of_columns_that_do_not_fit_are_refused(save_npz: Save, x: tuple[int, ...], names: list[str]) -> None:
    with pytest.raises(DataError, match="feature_names"):
        _read(save_npz(x=np.zeros(x), y=np.arange(4), feature_names=np.array(names)))


@pytest.mark.parametrize("more", [np.array(["ann", "bob"]), np.array([{}]), np.arange(9), np.zeros(3, complex)])
def test_arrays_besides_are_not_looked_at_but_named(save_npz: Save, more: np.ndarray) -> None:
    parts = {f"{kind}_{split}": np.arange(4).reshape(4, -1) for kind in "xy" for split in ("train", "test")}
    raw = read_arrays(DataParams(path=save_npz(speaker_train=more, **parts)))

    assert (raw.ignored, list(raw.splits)) == (("speaker_train",), ["train", "test"])


def test_two_sets_in_one_file_or_half_a_split_are_refused(save_npz: Save) -> None:
    parts = {f"{kind}_{split}": np.arange(4).reshape(4, -1) for kind in "xy" for split in ("train", "test")}
    x = np.arange(4).reshape(4, -1)

    for more in ({"x": x, "y": x}, {"x_val": x}):
        with pytest.raises(DataError, match="expected x and y; or"):
            _read(save_npz(**parts, **more))
