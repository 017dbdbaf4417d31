"""Samples as pictures in a page: PNG in a data address, so that the page needs no other file."""

import base64
import io

import numpy as np
import numpy.typing as npt
from PIL import Image

from qatflow.artifacts import Array

SIDE = 96
"""Smaller pictures are enlarged to at least this, pixel by pixel."""


def is_picture(shape: tuple[int, ...]) -> bool:
    """Tell whether samples of a shape are images: (h, w, 1 or 3), more than one pixel either way."""
    return len(shape) == 3 and shape[2] in {1, 3} and min(shape[:2]) > 1


def to_uint8(x: Array) -> npt.NDArray[np.uint8]:
    """Return an image (h, w, c) of any range as 0 to 255: its darkest value black, its brightest white."""
    values = x.astype(np.float64)
    low, high = values.min(), values.max()
    return np.asarray(np.rint((values - low) * (255 / max(high - low, 1e-12))), np.uint8)


def data_address(x: Array) -> str:
    """Return an image (h, w, 1 or 3) as `data:image/png;base64,…`."""
    pixels = to_uint8(x)
    factor = max(1, -(-SIDE // min(pixels.shape[:2])))
    image = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    file = io.BytesIO()
    image.resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST).save(file, "PNG")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
