import base64
import io

import numpy as np
import pytest
from PIL import Image

from qatflow.report.pixels import SIDE, data_address, is_picture, to_uint8


@pytest.mark.parametrize(
    ("shape", "picture"),
    [((8, 8, 1), True), ((32, 32, 3), True), ((8, 8, 4), False), ((64,), False), ((1, 9, 1), False), ((90, 3), False)],
)
def test_images_are_told_from_tables_and_series(shape, picture):
    assert is_picture(shape) is picture


def test_any_range_fills_black_to_white():
    assert to_uint8(np.array([[[-1.0], [0.0], [1.0]]])).ravel().tolist() == [0, 128, 255]
    assert to_uint8(np.full((2, 2, 1), 7.0)).max() == 0


@pytest.mark.parametrize("channels", [1, 3])
def test_the_address_holds_the_picture_pixel_by_pixel(channels):
    x = np.random.default_rng(0).random((8, 8, channels))
    kind, _, content = data_address(x).partition(",")
    image = np.asarray(Image.open(io.BytesIO(base64.b64decode(content))))
    assert kind == "data:image/png;base64"
    assert image.shape[:2] == (SIDE, SIDE)
    assert np.array_equal(image[::12, ::12].reshape(8, 8, channels), to_uint8(x))
