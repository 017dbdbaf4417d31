"""An archive that is read back only as it was written, and that any unzip program can read."""

import io
import zipfile

import numpy as np
import pytest

from qatflow.deploy.plain_zip import MAX_FILES, decode, encode
from qatflow.errors import ArtifactError

FILES = {"b.txt": b"two", "a.bin": bytes(range(256)), "empty": b""}


def test_it_comes_back_and_is_the_same_whatever_the_order():
    content = encode(FILES)

    assert decode(content) == FILES
    assert encode(dict(reversed(FILES.items()))) == content


def test_pythons_zipfile_reads_it_and_finds_it_sound():
    with zipfile.ZipFile(io.BytesIO(encode(FILES))) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == FILES
        assert archive.infolist()[0].date_time == (1980, 1, 1, 0, 0, 0)


@pytest.mark.parametrize("name", ["../up", "/etc/passwd", "a/b", "a\\b", "", ".hidden", "x" * 101, "a\nb", "ä", "C:"])
def test_names_that_lead_elsewhere_are_refused(name: str):
    with pytest.raises(ArtifactError, match="cannot be the name of a file"):
        encode({name: b""})


def test_too_many_files_are_refused():
    with pytest.raises(ArtifactError, match=f"1 to {MAX_FILES} files"):
        encode({f"f{number}": b"" for number in range(MAX_FILES + 1)})


def written_by_zipfile(**settings: int) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", **settings) as archive:
        for name, content in FILES.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def twice() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a", b"1")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("a", b"2")
    return buffer.getvalue()


def linked() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        link = zipfile.ZipInfo("a")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, b"/etc/passwd")
    return buffer.getvalue()


def bomb() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a", bytes(1 << 24))
    return buffer.getvalue()


STRANGE = {
    "empty": lambda: b"",
    "text": lambda: b"not a zip",
    "another writer": written_by_zipfile,
    "compressed": lambda: written_by_zipfile(compression=zipfile.ZIP_DEFLATED),
    "duplicate": twice,
    "link": linked,
    "bomb": bomb,
    "before": lambda: b"#!/bin/sh\n" + encode(FILES),
    "behind": lambda: encode(FILES) + b"\0",
    "twice in a row": lambda: encode(FILES) * 2,
    "no files": lambda: b"PK\5\6" + bytes(18),
}


@pytest.mark.parametrize("make", STRANGE.values(), ids=STRANGE)
def test_every_other_form_is_refused(make):
    with pytest.raises(ArtifactError, match="no archive of a bundle"):
        decode(make())


def test_every_cut_is_refused():
    content = encode(FILES)
    for length in range(len(content)):
        with pytest.raises(ArtifactError):
            decode(content[:length])


def test_every_flipped_bit_is_refused():
    """A flip inside a file's content breaks its CRC; one inside a name breaks the index."""
    content = encode(FILES)
    for bit in range(8 * len(content)):
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(ArtifactError):
            decode(bytes(flipped))


def test_random_bytes_are_refused():
    rng = np.random.default_rng(0)
    for length in rng.integers(0, 200, 2000):
        with pytest.raises(ArtifactError):
            decode(b"PK\3\4" + rng.bytes(length))
