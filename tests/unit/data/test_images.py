"""Decoding single images."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from qatflow.data.images import ImageForm, form_of, read_image
from qatflow.errors import DataError

FORM = ImageForm(4, 5, 3, resize=False)


def _save(path: Path, mode: str, size: tuple[int, int] = (5, 4)) -> Path:
    Image.new(mode, size, 7).save(path)
    return path


def _png_claiming(path: Path, width: int, height: int) -> Path:
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    data = b"IDAT" + zlib.compress(b"\0" * 100)
    chunks = [struct.pack(">I", len(part) - 4) + part + struct.pack(">I", zlib.crc32(part)) for part in (header, data)]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))
    return path


@pytest.mark.parametrize(("mode", "channels"), [("L", 1), ("RGB", 3), ("RGBA", 3), ("P", 3), ("1", 3)])
def test_form_of_the_first_image(mode: str, channels: int, tmp_path: Path) -> None:
    path = _save(tmp_path / "a.png", mode)

    assert form_of(path, None) == ImageForm(4, 5, channels, resize=False)
    assert form_of(path, (8, 6)) == ImageForm(8, 6, channels, resize=True)


@pytest.mark.parametrize("suffix", ["png", "bmp", "gif", "tiff", "ppm", "webp", "jpg"])
def test_reads_common_formats(suffix: str, tmp_path: Path) -> None:
    Image.new("RGB", (5, 4), (250, 10, 10)).save(tmp_path / f"a.{suffix}")
    pixels = read_image(tmp_path / f"a.{suffix}", FORM)

    assert (pixels.shape, pixels.dtype) == ((4, 5, 3), np.uint8)
    assert abs(int(pixels[0, 0, 0]) - 250) < 6


def test_converts_to_the_form(tmp_path: Path) -> None:
    assert (read_image(_save(tmp_path / "a.png", "L"), FORM) == 7).all()
    gray = read_image(_save(tmp_path / "b.png", "RGB"), ImageForm(4, 5, 1, resize=False))
    assert gray.shape == (4, 5, 1)


def test_resizes_only_when_asked(tmp_path: Path) -> None:
    path = _save(tmp_path / "a.png", "RGB", (10, 8))

    assert read_image(path, ImageForm(4, 5, 3, resize=True)).shape == (4, 5, 3)
    with pytest.raises(DataError, match=r"a.png is 8x10 \(height x width\), the first image 4x5; set data.image_size"):
        read_image(path, FORM)


@pytest.mark.parametrize("size", [(60_000, 60_000), (9_000, 8_000)])
def test_decompression_bomb_is_refused_before_decoding(size: tuple[int, int], tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a\.png"):
        read_image(_png_claiming(tmp_path / "a.png", *size), FORM)


@pytest.mark.parametrize("content", [b"", b"just text", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"])
def test_what_is_no_image_is_named(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "notes.png").write_bytes(content)

    with pytest.raises(DataError, match=r"notes\.png is no image that can be read.*expected one of BMP, GIF"):
        read_image(tmp_path / "notes.png", FORM)


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_truncated_image_is_named(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{suffix}"
    noise = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[:-900])

    with pytest.raises(DataError, match=rf"a\.{suffix} is a damaged image"):
        read_image(path, ImageForm(40, 50, 3, resize=False))


def test_16_bit_images_are_refused(tmp_path: Path) -> None:
    Image.fromarray(np.full((4, 5), 40_000, np.uint16)).save(tmp_path / "a.png")

    with pytest.raises(DataError, match="mode I;16; expected 8 bits"):
        form_of(tmp_path / "a.png", None)
