"""One form of zip, written and read exactly: files stored as they are, sorted, without times, links or further fields.

Equal files give equal bytes, and nothing but those bytes is read back: whatever another writer could add (compression,
a second entry of one name, a comment, bytes between or behind) makes other bytes, and they are refused. Any unzip
program reads it. Format: PKWARE APPNOTE 6.3.3, sections 4.3.7, 4.3.12 and 4.3.16.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Mapping

from qatflow.errors import ArtifactError

MAX_FILES = 64
MAX_BYTES = 2**31
"""Of the whole archive; also keeps every field of the format within 32 bits."""

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}", re.ASCII)
_LOCAL, _CENTRAL, _END = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
_COMMON = struct.Struct("<5H3L2H")  # version, flags, method, time, date, crc, size, size, length of name, of extra
_VERSION, _UNIX, _MIDNIGHT, _DAY = 20, 3 << 8, 0, 33  # 1980-01-01, the first day that the format knows
_MODE = (0o100644) << 16


def encode(files: Mapping[str, bytes]) -> bytes:
    """Return an archive of the files.

    Raises:
        ArtifactError: If there are none or too many, together they are too large, or a name is no plain one.
    """
    if not 0 < len(files) <= MAX_FILES:
        raise ArtifactError(f"An archive holds 1 to {MAX_FILES} files, not {len(files)}")
    body, index = bytearray(), bytearray()
    for name, content in sorted(files.items()):
        if not NAME.fullmatch(name):
            raise ArtifactError(f"{name!r} cannot be the name of a file in an archive: no folders, no unusual letters")
        header, at = _header(name, content), len(body)
        body += _LOCAL + header + name.encode() + content
        index += _CENTRAL + struct.pack("<H", _UNIX | _VERSION) + header
        index += struct.pack("<3H2L", 0, 0, 0, _MODE, at) + name.encode()
        if len(body) + len(index) > MAX_BYTES:
            raise ArtifactError(f"The files are larger than {MAX_BYTES} bytes together")
    return bytes(body + index + _END + struct.pack("<4H2LH", 0, 0, len(files), len(files), len(index), len(body), 0))


def decode(content: bytes) -> dict[str, bytes]:
    """Return name -> file of what `encode` wrote. Allocates no more than `content` has bytes.

    Raises:
        ArtifactError: If these are other bytes than `encode` would write for any files.
    """
    files = _walk(content)
    if not files or encode(files) != content:
        raise ArtifactError(
            f"These {len(content)} bytes are no archive of a bundle: it is damaged, cut off, or made otherwise"
        )
    return files


def _header(name: str, content: bytes) -> bytes:
    size = len(content)
    return _COMMON.pack(_VERSION, 0, 0, _MIDNIGHT, _DAY, zlib.crc32(content), size, size, len(name), 0)


def _walk(content: bytes) -> dict[str, bytes]:
    """Return the files that follow each other from the beginning, as far as they make sense; trusts nothing else."""
    files: dict[str, bytes] = {}
    at, view = 0, memoryview(content)
    while len(files) < MAX_FILES and content[at : at + 4] == _LOCAL and len(content) >= at + 4 + _COMMON.size:
        *_, size, length, _extra = _COMMON.unpack_from(content, at + 4)
        start = at + 4 + _COMMON.size + length
        name = bytes(view[start - length : start]).decode("ascii", "replace")
        if not NAME.fullmatch(name) or name in files or start + size > len(content):
            return {}
        files[name] = bytes(view[start : start + size])
        at = start + size
    return files
