"""Reading .npz files of strangers: every lie is found before memory is spent on it."""

import io
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from qatflow.data.npz import Member, chunk_rows, open_npz, read_rows
from qatflow.errors import DataError

Save = Callable[..., str]


def _npy(array: np.ndarray) -> bytes:
    content = io.BytesIO()
    np.lib.format.write_array(content, array, version=(1, 0))
    return content.getvalue()


def _header(shape: str, descr: str = "<f4") -> bytes:
    text = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}}}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


def _zip(path: Path, entries: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_reads_rows_in_blocks(save: Callable[..., None], tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(10, 2, 3))
    save(tmp_path / "a.npz", x=x, y=np.arange(10))
    members = open_npz(tmp_path / "a.npz")
    blocks = list(read_rows(members["x"], 4))

    assert list(members) == ["x", "y"]
    assert [len(block) for block in blocks] == [4, 4, 2]
    assert np.array_equal(np.concatenate(blocks), x)
    assert chunk_rows(members["x"]) == 8192


def test_big_endian_becomes_native(save_npz: Save) -> None:
    x = np.arange(6, dtype=">i4").reshape(3, 2)
    (block,) = read_rows(open_npz(Path(save_npz(x=x)))["x"], 10)

    assert block.dtype == np.dtype("=i4")
    assert np.array_equal(block, x)


def test_fortran_order_is_read_whole(save_npz: Save) -> None:
    x = np.asfortranarray(np.arange(24).reshape(6, 4))
    member = open_npz(Path(save_npz(x=x)))["x"]

    assert member.column_major
    assert np.array_equal(np.concatenate(list(read_rows(member, 4))), x)


def test_fortran_order_larger_than_memory_is_refused(tmp_path: Path) -> None:
    member = Member(tmp_path / "a.npz", "x.npy", (10**9, 10**4), np.dtype(np.float32), column_major=True)

    with pytest.raises(DataError, match=r"array 'x' is in Fortran order and too large for memory; save np\.ascontig"):
        next(read_rows(member, 1))


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"x.npy": _header("(1000000000000, 4)")}, "header claims 16000000000000 bytes, the archive holds 0"),
        ({"x.npy": _npy(np.zeros((4, 2), "f4")) + b"more"}, "claims 32 bytes, the archive holds 36"),
        ({"x.npy": _header("(-4, 2)")}, r"shape \(-4, 2\)"),
        ({"x.npy": _npy(np.float32(3))}, r"shape \(\)"),
        ({"x.npy": _npy(np.array([object()]))}, "Python objects.*could run code"),
        ({"x.npy": _npy(np.array(["text"]))}, "dtype <U4"),
        ({"x.npy": _npy(np.zeros(3, complex))}, "dtype complex128"),
        ({"x.npy": _npy(np.zeros(3, [("a", "i4")]))}, "dtype"),
        ({"x.npy": b"\x93NUMPY\x02\x00" + b"\xff" * 8}, r"npy format \(2, 0\)"),
        ({"x.npy": b"not an array"}, "entry 'x.npy' cannot be read"),
        ({"x.npy": b""}, "entry 'x.npy' cannot be read"),
    ],
)
def test_refuses_headers_that_lie_or_hold_no_plain_numbers(
    entries: dict[str, bytes], message: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=message):
        open_npz(_zip(tmp_path / "a.npz", entries))


def test_refuses_a_decompression_bomb_without_inflating_it(tmp_path: Path) -> None:
    path = tmp_path / "bomb.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive, archive.open("x.npy", "w") as x:
        x.write(_header(f"({300 << 20},)", "|u1"))
        for _ in range(300):
            x.write(bytes(1 << 20))

    assert path.stat().st_size < 2 << 20
    with pytest.raises(DataError, match=f"would inflate .* to {(300 << 20) + len(_header('(314572800,)', '|u1'))}"):
        open_npz(path)


def test_archive_that_declares_too_little_is_refused(tmp_path: Path) -> None:
    path = _zip(tmp_path / "a.npz", {"x.npy": _npy(np.arange(1000))}, zipfile.ZIP_DEFLATED)
    content = path.read_bytes()
    size = struct.pack("<I", len(_npy(np.arange(1000))))
    shorter = struct.pack("<I", len(_npy(np.arange(10))))
    path.write_bytes(content.replace(size, shorter))

    with pytest.raises(DataError, match="Bad CRC-32"):
        open_npz(path)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x93NUMPY", b"x" * 1000])
def test_refuses_what_is_no_zip(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(DataError, match=r"truncated or no \.npz of plain arrays"):
        open_npz(tmp_path / "a.npz")


def test_every_truncation_and_most_bit_flips_are_errors_never_crashes(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    x = np.random.default_rng(0).normal(size=(50, 3))
    np.savez_compressed(path, x=x)
    whole = path.read_bytes()
    rng = np.random.default_rng(1)
    for cut in range(0, len(whole), 37):
        path.write_bytes(whole[:cut])
        with pytest.raises(DataError):
            list(read_rows(open_npz(path)["x"], 7))
    for _ in range(300):
        mutant = bytearray(whole)
        mutant[rng.integers(len(whole))] ^= 1 << int(rng.integers(8))
        path.write_bytes(mutant)
        try:
            blocks = [block for member in open_npz(path).values() for block in read_rows(member, 7)]
        except DataError:
            continue
        assert np.array_equal(np.concatenate(blocks), x)  # a flip in a time stamp or a comment changes nothing
