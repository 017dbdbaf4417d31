"""Decoding single images."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from qatflow.data.images import Census, ImageForm, form_of, read_image
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

    with pytest.raises(DataError, match="mode I;16, more than 8 bits"):
        form_of(tmp_path / "a.png", None)


def photo(path, orientation=6, **form):
    """A picture 20 high and 40 wide, white on its left; orientation 6 is seen with white on top."""
    pixels = np.zeros((20, 40, 3), np.uint8)
    pixels[:, :8] = 255
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(pixels).save(path, exif=exif, **form)
    return path


@pytest.mark.parametrize("name", ["p.jpg", "p.png", "p.webp"])
def test_photos_are_turned_as_their_exif_says_unless_they_are_kept(tmp_path, name):
    path = photo(tmp_path / name)

    turned = read_image(path, form_of(path, None))
    kept = read_image(path, form_of(path, None, turn=False))

    assert (turned.shape, kept.shape) == ((40, 20, 3), (20, 40, 3))
    assert turned[:6].min() > 200
    assert turned[12:].max() < 60
    assert kept[:, :6].min() > 200


@pytest.mark.parametrize(("orientation", "white"), [(1, "left"), (3, "right"), (6, "top"), (8, "bottom"), (99, "left")])
def test_every_orientation_is_seen_as_a_person_does(tmp_path, orientation, white):
    path = photo(tmp_path / "p.png", orientation)

    x = read_image(path, form_of(path, None))

    photo(tmp_path / "p.tif", orientation)
    np.testing.assert_array_equal(read_image(tmp_path / "p.tif", form_of(tmp_path / "p.tif", None)), x)
    edges = {"left": x[:, 0], "right": x[:, -1], "top": x[0], "bottom": x[-1]}
    assert [name for name, edge in edges.items() if edge.min() == 255] == [white]


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparent_parts_become_white_and_are_counted(tmp_path, mode):
    pixels = np.zeros((8, 8, 4), np.uint8)
    pixels[:4, :, 3] = 255
    image = Image.fromarray(pixels)
    if mode == "P":
        image = image.quantize()
    elif mode == "LA":
        image = image.convert("LA")
    image.save(tmp_path / "t.png")
    census = Census()

    x = read_image(tmp_path / "t.png", form_of(tmp_path / "t.png", None), census)

    assert (x[:4].max(), x[4:].min()) == (0, 255)
    assert census.entries() == {"turned": 0, "transparent": 1, "background": "white", "modes": {mode: 1}}


def test_opaque_images_with_an_alpha_channel_and_other_colours_are_no_surprise(tmp_path):
    census = Census()
    for mode in ("RGBA", "CMYK", "L"):
        Image.new(mode, (4, 4)).save(tmp_path / f"{mode}.tif")
    Image.new("RGBA", (4, 4), (10, 20, 30, 255)).save(tmp_path / "RGBA.tif")
    form = form_of(tmp_path / "RGBA.tif", None)

    for mode in ("RGBA", "CMYK", "L", "RGBA"):
        assert read_image(tmp_path / f"{mode}.tif", form, census).shape == (4, 4, 3)

    assert census.entries()["modes"] == {"CMYK": 1, "L": 1, "RGBA": 1}
    assert census.entries()["transparent"] == 0


def test_sixteen_bits_are_refused_with_the_way_out(tmp_path):
    Image.fromarray((np.arange(64).reshape(8, 8) * 1000).astype(np.uint16)).save(tmp_path / "s.png")

    with pytest.raises(DataError, match=r"mode I;16, more than 8 bits.*save it with 8, or all images as an \.npz"):
        form_of(tmp_path / "s.png", None)
