"""Source `image_folder`."""

from collections.abc import Callable
from pathlib import Path

import pytest

from qatflow.data.image_folder import read_image_folder
from qatflow.errors import DataError
from qatflow.params.data import DataParams

SaveImages = Callable[..., Path]


def _params(root: Path, **data: str) -> DataParams:
    return DataParams(source="image_folder", path=str(root), **data)


def test_folders_are_classes(save_images: SaveImages, tmp_path: Path) -> None:
    save_images("data/dog")
    (save_images("data/cat", 2) / ".DS_Store").write_bytes(b"hidden")
    (tmp_path / "data" / "README.txt").write_text("left out")
    raw = read_image_folder(_params(tmp_path / "data"))
    (chunk,) = raw.splits["all"]()

    assert raw.class_names == ("cat", "dog")
    assert chunk.x.shape == (5, 4, 5, 3)
    assert chunk.y.tolist() == [0, 0, 1, 1, 1]
    assert [path.relative_to(tmp_path).as_posix() for path in raw.files[:3]] == [
        "data/cat/0.png",
        "data/cat/1.png",
        "data/dog/0.png",
    ]


def test_train_and_test_folders_are_given_splits(save_images: SaveImages, tmp_path: Path) -> None:
    for split in ("train", "val", "test"):
        for name in ("a", "b"):
            save_images(f"{split}/{name}", mode="L")
    raw = read_image_folder(_params(tmp_path))

    assert list(raw.splits) == ["train", "val", "test"]
    assert raw.class_names == ("a", "b")
    assert next(raw.splits["val"]()).x.shape == (6, 4, 5, 1)


def test_a_class_may_be_called_train(save_images: SaveImages, tmp_path: Path) -> None:
    save_images("train")
    save_images("bus")

    assert read_image_folder(_params(tmp_path)).class_names == ("bus", "train")


def test_anomaly_takes_good_as_normal(save_images: SaveImages, tmp_path: Path) -> None:
    for name in ("crack", "good", "scratch"):
        save_images(name, 1)
    raw = read_image_folder(_params(tmp_path, task="anomaly"))

    assert next(raw.splits["all"]()).y.tolist() == [1, 0, 1]
    assert raw.class_names == ()


def test_links_to_images_are_followed(save_images: SaveImages, tmp_path: Path) -> None:
    source = save_images("cache")
    for name in ("a", "b"):
        (tmp_path / "data" / name).mkdir(parents=True)
        (tmp_path / "data" / name / "0.png").symlink_to(source / "0.png")

    assert read_image_folder(_params(tmp_path / "data")).count == 2


def test_refuses_what_is_no_class_folder(save_images: SaveImages, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no folder; expected one folder of images for each class"):
        read_image_folder(_params(tmp_path))
    save_images("a")
    (tmp_path / "b").mkdir()
    with pytest.raises(DataError, match="b is empty; expected the images of class 'b'"):
        read_image_folder(_params(tmp_path))


def test_broken_link_and_nested_folder_are_named(save_images: SaveImages, tmp_path: Path) -> None:
    folder = save_images("a")
    (folder / "9.png").symlink_to(tmp_path / "gone.png")
    with pytest.raises(DataError, match=r"a/9\.png"):
        list(read_image_folder(_params(tmp_path)).splits["all"]())
    (folder / "9.png").unlink()
    (folder / "nested").mkdir()
    with pytest.raises(DataError, match="a/nested is no image"):
        list(read_image_folder(_params(tmp_path)).splits["all"]())


def test_tasks_that_do_not_suit_images(save_images: SaveImages, tmp_path: Path) -> None:
    save_images("a")
    with pytest.raises(DataError, match="for regression use source 'arrays'"):
        read_image_folder(_params(tmp_path, task="regression"))
    with pytest.raises(DataError, match="needs a class folder named good or normal"):
        read_image_folder(_params(tmp_path, task="anomaly"))
