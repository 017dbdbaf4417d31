"""Other views of images: what they do, and that they depend on seed, epoch and position alone."""

from collections.abc import Callable

import numpy as np
import pytest

from qatflow.data.augment import AUGMENTATIONS, check_augmentations, view_of
from qatflow.data.prepared import PreparedData
from qatflow.data.streams import Samples, to_tf_dataset
from qatflow.errors import ParamsError

SHAPE = (20, 10, 3)
NAMES = ("flip", "shift")


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(40, *SHAPE)).astype(np.float32)


def test_flip_mirrors_half_of_the_images_left_to_right(images: np.ndarray) -> None:
    seen = view_of(("flip",), 40, SHAPE, 0, 0)(images, np.arange(40))

    same = np.array([np.array_equal(a, b) for a, b in zip(seen, images, strict=True)])
    mirrored = np.array([np.array_equal(a, b[:, ::-1]) for a, b in zip(seen, images, strict=True)])
    assert (same ^ mirrored).all()
    assert 10 < mirrored.sum() < 30


def test_shift_moves_by_whole_pixels_and_repeats_the_edge() -> None:
    image = np.arange(12, dtype=np.float32).reshape(1, 3, 4, 1)

    down, left = (AUGMENTATIONS["shift"].apply(image, np.array([drawn])) for drawn in ((-1, 0), (0, 2)))

    np.testing.assert_array_equal(down[0, :, :, 0], image[0, [0, 0, 1], :, 0])
    np.testing.assert_array_equal(left[0, :, :, 0], image[0][:, [2, 3, 3, 3], 0])


def test_shifts_reach_a_tenth_of_each_side_and_a_pixel_at_least() -> None:
    drawn = AUGMENTATIONS["shift"].draw(np.random.default_rng(0), 500, (40, 8, 1))

    np.testing.assert_array_equal(np.unique(drawn[:, 0]), np.arange(-4, 5))
    np.testing.assert_array_equal(np.unique(drawn[:, 1]), [-1, 0, 1])


def test_a_view_depends_on_seed_epoch_and_position_not_on_the_batch(images: np.ndarray) -> None:
    whole = view_of(NAMES, 40, SHAPE, 3, 5)(images, np.arange(40))
    rows = np.array([31, 4, 17])

    again = view_of(NAMES, 40, SHAPE, 3, 5)(images[rows], rows)

    np.testing.assert_array_equal(again, whole[rows])
    for seed, epoch in ((3, 6), (4, 5)):
        assert not np.array_equal(view_of(NAMES, 40, SHAPE, seed, epoch)(images, np.arange(40)), whole)


def test_without_names_samples_stay_as_they_are(images: np.ndarray) -> None:
    assert view_of((), 40, SHAPE, 0, 0)(images, np.arange(40)) is images


@pytest.mark.parametrize(
    ("names", "shape", "message"),
    [
        (("flipp",), SHAPE, "Unknown augmentation 'flipp'. Known: flip, shift. Did you mean 'flip'"),
        (("flip",), (64,), r"augment: \[flip\] changes images .* but samples have shape \(64,\); set augment to \[\]"),
        (("flip", "shift", "flip"), SHAPE, "augment names one twice: flip, shift, flip"),
    ],
)
def test_what_cannot_be_is_refused(names: tuple[str, ...], shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(ParamsError, match=message):
        check_augmentations(names, shape)


def test_a_stream_that_begins_later_goes_on_as_an_undisturbed_one(prepare: Callable[..., PreparedData]) -> None:
    train = prepare(max_samples=20).train
    samples = Samples(train, 8, train.labels(), 5, NAMES)
    undisturbed, later = to_tf_dataset(samples), to_tf_dataset(samples, first_epoch=1)

    first, second = ([x for x, _ in undisturbed.as_numpy_iterator()] for _ in range(2))
    for found, expected in zip(later.as_numpy_iterator(), second, strict=True):
        np.testing.assert_array_equal(found[0], expected)
    assert not np.array_equal(first[0], second[0])


def test_answers_are_to_what_is_seen(prepare: Callable[..., PreparedData]) -> None:
    train = prepare(max_samples=20).train
    samples = Samples(train, 8, train.labels(), 5, NAMES, lambda x, y: y + 100 * x.sum(axis=(1, 2, 3)).astype(np.int64))

    for (x, y), rows in zip(to_tf_dataset(samples).as_numpy_iterator(), train.row_batches(8, 5, 0), strict=True):
        np.testing.assert_array_equal(y, train.labels()[rows] + 100 * x.sum(axis=(1, 2, 3)).astype(np.int64))
        assert not np.array_equal(x, train.take(rows)[0])
