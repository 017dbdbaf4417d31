"""`qatflow compare` as a user types it."""

import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from qatflow.cli import app
from qatflow.errors import ArtifactError, QATFlowError
from tests.unit.release.fabricate import bundle, flatbuffer


@pytest.fixture
def pair(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return [str(bundle(tmp_path / name, flatbuffer(name), variant=f"ptq_{name}")) for name in ("int8", "int4")]


def compare(*arguments):
    result = CliRunner().invoke(app, ["compare", *arguments], catch_exceptions=True)
    if isinstance(result.exception, QATFlowError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def test_two_bundles_stand_side_by_side_on_the_screen_and_in_a_page(pair, tmp_path):
    said = compare(*pair, "--out", str(tmp_path / "page.html"))
    assert said.startswith(" B, ptq_int4, is ")
    assert "Accuracy" in said
    assert "Compressed (zstd)" in said
    assert (tmp_path / "page.html").read_text().startswith("<!DOCTYPE html>")


def test_a_page_that_cannot_be_written_is_told(pair, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(QATFlowError, match=f"Cannot write {tmp_path}/file/page.html: {os.strerror(20)}"):
        compare(*pair, "--out", str(tmp_path / "file" / "page.html"))


def test_what_is_no_bundle_leaves_the_page_as_it_was(pair, tmp_path):
    page = Path("comparison.html")
    page.write_text("earlier")
    with pytest.raises(ArtifactError, match="cannot be compared"):
        compare(pair[0], str(tmp_path))
    assert page.read_text() == "earlier"
