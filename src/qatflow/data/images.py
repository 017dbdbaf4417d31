"""Decodes one image file of the user's, without trusting it."""

import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from qatflow.artifacts import Array
from qatflow.errors import DataError

FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
MAX_PIXELS = 64_000_000
BROKEN = (OSError, SyntaxError, ValueError, EOFError, zlib.error, Image.DecompressionBombError)


@dataclass(frozen=True)
class ImageForm:
    """What every image becomes: height and width in pixels, 1 (gray) or 3 (RGB) channels."""

    height: int
    width: int
    channels: int
    resize: bool

    @property
    def shape(self) -> tuple[int, int, int]:
        """(height, width, channels)."""
        return self.height, self.width, self.channels


def form_of(first: Path, image_size: tuple[int, int] | None) -> ImageForm:
    """Take the form from the first image: gray if its mode is L, else RGB; its size unless `image_size` is given.

    Raises:
        DataError: If the file is no image.
    """
    with _open(first) as image:
        _check(first, image)
        height, width = image_size or (image.height, image.width)
        return ImageForm(height, width, 1 if image.mode == "L" else 3, resize=image_size is not None)


def read_image(path: Path, form: ImageForm) -> Array:
    """Return the image as (height, width, channels) uint8; resized bilinearly where the form says so.

    Raises:
        DataError: If the file is no image, is damaged or too large, or has another size and may not be resized.
    """
    with _open(path) as image:
        _check(path, image)
        if (image.height, image.width) != (form.height, form.width) and not form.resize:
            raise DataError(
                f"{path} is {image.height}x{image.width} (height x width), the first image {form.height}x{form.width}; "
                f"set data.image_size to resize all images"
            )
        pixels = _decode(path, image, form)
    if pixels.size != (form.width, form.height):
        pixels = pixels.resize((form.width, form.height), Image.Resampling.BILINEAR)
    return np.asarray(pixels, np.uint8).reshape(form.shape)


def _open(path: Path) -> Image.Image:
    try:
        return Image.open(path, formats=FORMATS)
    except BROKEN as error:
        raise DataError(f"{path} is no image that can be read: {error}; expected one of {', '.join(FORMATS)}") from None


def _check(path: Path, image: Image.Image) -> None:
    if image.width * image.height > MAX_PIXELS:
        raise DataError(f"{path} claims {image.width}x{image.height} pixels, at most {MAX_PIXELS} are supported")
    if image.mode.startswith(("I", "F")):
        raise DataError(f"{path} has mode {image.mode}; expected 8 bits for each channel")


def _decode(path: Path, image: Image.Image, form: ImageForm) -> Image.Image:
    try:
        return image.convert("L" if form.channels == 1 else "RGB")
    except BROKEN as error:
        raise DataError(f"{path} is a damaged image: {error}") from None
