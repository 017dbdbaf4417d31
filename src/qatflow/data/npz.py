"""Reads an .npz row by row: no pickle, headers checked against the archive before anything is inflated."""

import lzma
import math
import zipfile
import zlib
from collections.abc import Container, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import psutil

from qatflow.artifacts import Array
from qatflow.data.limits import check_inflation, rows_per_chunk
from qatflow.errors import DataError

BROKEN = (OSError, ValueError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error, lzma.LZMAError)


@dataclass(frozen=True)
class Member:
    """One array of an .npz, known by its checked header only.

    Attributes:
        entry: Its file name in the archive.
        shape: The whole shape; the first axis counts samples.
        dtype: As stored, possibly big-endian.
        column_major: Stored in Fortran order, so that no row can be read alone.
    """

    path: Path
    entry: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    column_major: bool

    @property
    def name(self) -> str:
        """The key under which NumPy knows this array."""
        return _name(self.entry)

    @property
    def row_bytes(self) -> int:
        """Size of one row."""
        return math.prod(self.shape[1:]) * self.dtype.itemsize

    @property
    def where(self) -> str:
        """How errors name this array."""
        return f"{self.path}, array '{self.name}'"


def npz_names(path: Path) -> frozenset[str]:
    """Return the names of all arrays of an .npz; none of them is looked at.

    Raises:
        DataError: If the file is no whole zip archive.
    """
    with _explained(str(path)), zipfile.ZipFile(path) as archive:
        return frozenset(map(_name, archive.namelist()))


def open_npz(
    path: Path, wanted: Container[str] | None = None, texts: Container[str] = frozenset()
) -> dict[str, Member]:
    """Return the arrays of an .npz by name.

    Args:
        path: Of the file.
        wanted: Names of arrays; the others are not looked at. None for all.
        texts: Names of those that may be texts.

    Raises:
        DataError: If the file is no whole zip archive, or a member is no plain numeric array, claims more or less
            than the archive holds, or is a decompression bomb.
    """
    with _explained(str(path)), zipfile.ZipFile(path) as archive:
        infos = [info for info in archive.infolist() if wanted is None or _name(info.filename) in wanted]
        members = [_open_member(archive, path, info, texts) for info in infos]
    return {member.name: member for member in members}


def read_rows(member: Member, rows: int) -> Iterator[Array]:
    """Yield consecutive rows of an array in native byte order, at most `rows` at once.

    Raises:
        DataError: If the member ends early or is corrupt, or is column-major and too large for memory.
    """
    if member.column_major:
        yield from _read_column_major(member, rows)
        return
    for count, content in _read_blocks(member, rows):
        yield _native(np.frombuffer(content, member.dtype).reshape(count, *member.shape[1:]))


def chunk_rows(member: Member) -> int:
    """Return how many rows of this array fit into one chunk.

    Raises:
        DataError: If a single row is too large.
    """
    return rows_per_chunk(member.where, member.row_bytes)


def _name(entry: str) -> str:
    return entry.removesuffix(".npy")


def _open_member(archive: zipfile.ZipFile, path: Path, info: zipfile.ZipInfo, texts: Container[str]) -> Member:
    where = f"{path}, entry '{info.filename}'"
    check_inflation(where, info.compress_size, info.file_size)
    with _explained(where), archive.open(info) as file:
        shape, column_major, dtype = _read_header(file, where)
        held = info.file_size - file.tell()
    member = Member(path, info.filename, shape, dtype, column_major and len(shape) > 1)
    _check_header(member, held, "U" if member.name in texts else "")
    return member


def _read_header(file: IO[bytes], where: str) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = np.lib.format.read_magic(file)
    if version != (1, 0):  # later versions exist for structured types only, and let a header grow to 4 GiB
        raise DataError(f"{where} has npy format {version}; plain numeric arrays have (1, 0)")
    return np.lib.format.read_array_header_1_0(file)


def _check_header(member: Member, held_bytes: int, more_kinds: str) -> None:
    if member.dtype.hasobject:
        raise DataError(f"{member.where} holds Python objects (pickle), which could run code; save plain numbers")
    if member.dtype.kind not in f"biuf{more_kinds}":
        raise DataError(f"{member.where} has dtype {member.dtype}; expected integers, floats or booleans")
    if not member.shape or min(member.shape) < 0:
        raise DataError(f"{member.where} has shape {member.shape}; expected one row for each sample")
    claimed_bytes = member.shape[0] * member.row_bytes
    if claimed_bytes != held_bytes:
        raise DataError(f"{member.where}: the header claims {claimed_bytes} bytes, the archive holds {held_bytes}")


def _read_blocks(member: Member, rows: int) -> Iterator[tuple[int, bytes]]:
    with _explained(member.where), zipfile.ZipFile(member.path) as archive, archive.open(member.entry) as file:
        _read_header(file, member.where)
        for start in range(0, member.shape[0], rows):
            count = min(rows, member.shape[0] - start)
            content = file.read(count * member.row_bytes)
            if len(content) != count * member.row_bytes:
                raise DataError(f"{member.where} ends early, in row {start + len(content) // member.row_bytes}")
            yield count, content


def _read_column_major(member: Member, rows: int) -> Iterator[Array]:
    size = member.shape[0] * member.row_bytes
    if size > psutil.virtual_memory().available // 4:
        raise DataError(f"{member.where} is in Fortran order and too large for memory; save np.ascontiguousarray of it")
    content = b"".join(block for _, block in _read_blocks(member, rows))
    whole = np.frombuffer(content, member.dtype).reshape(member.shape, order="F")
    for start in range(0, len(whole), rows):
        yield _native(np.ascontiguousarray(whole[start : start + rows]))


def _native(array: Array) -> Array:
    return array.astype(array.dtype.newbyteorder("="), copy=False)


@contextmanager
def _explained(where: str) -> Iterator[None]:
    try:
        yield
    except BROKEN as error:
        raise DataError(f"{where} cannot be read ({error}); it is truncated or no .npz of plain arrays") from None
