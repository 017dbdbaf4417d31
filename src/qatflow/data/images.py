"""Decodes one image file of the user's, without trusting it: as a person sees it."""

import struct
import zlib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import ExifTags, Image, ImageOps

from qatflow.artifacts import Array
from qatflow.errors import DataError

FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
MAX_PIXELS = 64_000_000
BROKEN = (OSError, SyntaxError, ValueError, EOFError, zlib.error, Image.DecompressionBombError)
GRAY = ("L", "LA")
UPRIGHT, ON_ITS_SIDE = 1, (5, 6, 7, 8)
"""Orientations of EXIF: as stored; those that exchange height and width."""
BACKGROUND = "white"
"""What transparent parts are laid on."""


@dataclass(frozen=True)
class ImageForm:
    """What every image becomes: height and width in pixels, 1 (gray) or 3 (RGB) channels.

    `turn` says whether photos are turned upright as their EXIF orientation tells.
    """

    height: int
    width: int
    channels: int
    resize: bool
    turn: bool = True

    @property
    def shape(self) -> tuple[int, int, int]:
        """(height, width, channels)."""
        return self.height, self.width, self.channels


@dataclass(frozen=True)
class Census:
    """What was done to images, each counted once, however often it is read."""

    found: dict[Path, tuple[bool, bool, str]] = field(default_factory=dict)

    def entries(self) -> dict[str, Any]:
        """Return how many were turned, and how many had transparent parts, now laid on a background; and all modes."""
        turned, transparent, modes = zip(*self.found.values(), strict=True) if self.found else ((), (), ())
        return {
            "turned": sum(turned),
            "transparent": sum(transparent),
            "background": BACKGROUND,
            "modes": dict(sorted(Counter(modes).items())),
        }


def form_of(first: Path, image_size: tuple[int, int] | None, *, turn: bool = True) -> ImageForm:
    """Take the form from the first image: gray if it has no colours, else RGB; its size unless `image_size` is given.

    Raises:
        DataError: If the file is no image.
    """
    with _open(first) as image:
        _check(first, image)
        height, width = image_size or _seen_size(image, turn=turn)
        channels = 1 if image.mode in GRAY else 3
        return ImageForm(height, width, channels, resize=image_size is not None, turn=turn)


def read_image(path: Path, form: ImageForm, census: Census | None = None) -> Array:
    """Return the image as (height, width, channels) uint8; resized bilinearly where the form says so.

    Args:
        path: The file.
        form: What it becomes.
        census: Gets what was done to it.

    Raises:
        DataError: If the file is no image, is damaged or too large, or has another size and may not be resized.
    """
    with _open(path) as image:
        _check(path, image)
        height, width = _seen_size(image, turn=form.turn)
        if (height, width) != (form.height, form.width) and not form.resize:
            raise DataError(
                f"{path} is {height}x{width} (height x width), the first image {form.height}x{form.width}; "
                f"set data.image_size to resize all images"
            )
        turned = form.turn and _orientation(image) != UPRIGHT
        pixels, transparent = _decode(path, image, form, turned=turned)
        if census is not None:
            census.found[path] = (turned, transparent, image.mode)
    if pixels.size != (form.width, form.height):
        pixels = pixels.resize((form.width, form.height), Image.Resampling.BILINEAR)
    return np.asarray(pixels, np.uint8).reshape(form.shape)


def _orientation(image: Image.Image) -> int:
    """Return EXIF's orientation, 1 to 8; upright where there is none, or none that can be read.

    Pillow turns TIFF files itself, and says their size as they are then.
    """
    if image.format == "TIFF":
        return UPRIGHT
    try:
        told = image.getexif().get(ExifTags.Base.Orientation)
    except (*BROKEN, struct.error, KeyError, TypeError):
        return UPRIGHT
    return told if isinstance(told, int) and 1 <= told <= 8 else UPRIGHT


def _seen_size(image: Image.Image, *, turn: bool) -> tuple[int, int]:
    """Return height and width as they are once the image is turned."""
    sideways = turn and _orientation(image) in ON_ITS_SIDE
    return (image.width, image.height) if sideways else (image.height, image.width)


def _open(path: Path) -> Image.Image:
    try:
        return Image.open(path, formats=FORMATS)
    except BROKEN as error:
        raise DataError(f"{path} is no image that can be read: {error}; expected one of {', '.join(FORMATS)}") from None


def _check(path: Path, image: Image.Image) -> None:
    if image.width * image.height > MAX_PIXELS:
        raise DataError(f"{path} claims {image.width}x{image.height} pixels, at most {MAX_PIXELS} are supported")
    if image.mode.startswith(("I", "F")):
        raise DataError(
            f"{path} has mode {image.mode}, more than 8 bits for each channel; save it with 8, or all images as an "
            ".npz with their own numbers (source arrays)"
        )


def _decode(path: Path, image: Image.Image, form: ImageForm, *, turned: bool) -> tuple[Image.Image, bool]:
    """Return the pixels, upright if they are to be `turned` and without transparency, and whether there was any."""
    try:
        upright = ImageOps.exif_transpose(image) if turned else image
        opaque = _opaque(upright)
        return (opaque or upright).convert("L" if form.channels == 1 else "RGB"), opaque is not None
    except BROKEN as error:
        raise DataError(f"{path} is a damaged image: {error}") from None


def _opaque(image: Image.Image) -> Image.Image | None:
    """Return an image laid on the background; None if nothing of it is transparent."""
    if not image.has_transparency_data:
        return None
    coloured = image.convert("RGBA")
    least, _ = coloured.getchannel("A").getextrema()
    if least == 255:
        return None
    return Image.alpha_composite(Image.new("RGBA", image.size, BACKGROUND), coloured)
