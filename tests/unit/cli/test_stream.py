"""`qatflow stream`: repeatable appending, and what `info` says."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from qatflow.cli import app
from qatflow.errors import DataError, ParamsError
from qatflow.online.records import Sample, decode
from qatflow.online.streams import open_stream


def invoke(*arguments: str) -> str:
    done = CliRunner().invoke(app, ["stream", *arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_appends_the_same_records_for_the_same_seed(tmp_path: Path):
    for name in "ab":
        said = invoke("append", str(tmp_path / name), "--from", "digits", "--count", "1200", "--seed", "3")
        assert "1200 records appended; the last one is 1200" in said
    one, other = (open_stream(f"spool:{tmp_path / name}").read(None, 2000) for name in "ab")

    assert one == other
    assert len(one) == 1200
    record = decode(one[0].payload, (8, 8, 1))
    assert isinstance(record, Sample)
    assert record.label is not None


def test_info_says_what_is_there(tmp_path: Path):
    address = f"spool:{tmp_path / 's'}"
    assert "no records" in invoke("info", address)
    invoke("append", address, "--from", "digits", "--count", "5", "--label-delay", "2", "--rate", "10000")
    stream = open_stream(address)
    stream.dead_letter(stream.read(None, 1)[0], "not to my taste")
    stream.close()

    said = invoke("info", address)

    assert "10 records, 1 to 10" in said
    assert "sample '0-0', 8x8x1, no label yet" in said
    assert "1 dead letters\n   1: not to my taste" in said


def test_info_of_records_that_are_none_of_ours(tmp_path: Path):
    stream = open_stream(f"spool:{tmp_path / 's'}")
    stream.append([b"{}"])
    stream.close()

    assert "not usable: it does not begin as a record of QATFlow" in invoke("info", str(tmp_path / "s"))


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("--from", "digit", "--count", "1"), DataError),
        (("--from", "digits", "--count", "1", "--drift", "up"), ParamsError),
    ],
)
def test_mistakes_are_said_and_nothing_is_made(tmp_path: Path, arguments: tuple[str, ...], error: type[Exception]):
    with pytest.raises(error):
        invoke("append", str(tmp_path / "s"), *arguments)
    assert not (tmp_path / "s").exists()
