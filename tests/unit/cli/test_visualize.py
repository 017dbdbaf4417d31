"""`qatflow visualize` as a user types it."""

import pytest
from typer.testing import CliRunner

from qatflow.cli import app
from qatflow.errors import ParamsError, QATFlowError
from tests.unit.release.fabricate import bundle, flatbuffer


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return str(bundle(tmp_path, flatbuffer("int8")))


def visualize(*arguments):
    result = CliRunner().invoke(app, ["visualize", *arguments])
    if isinstance(result.exception, QATFlowError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return " ".join(result.output.split())


@pytest.mark.slow
def test_pictures_are_written_and_what_is_left_out_is_said(path, tmp_path):
    said = visualize(path, "--out", str(tmp_path / "pictures"), "--format", "svg")
    assert "wrote 4 pictures into" in said
    assert "without a float model (--float) there is no picture of: noise, channels, lost" in said
    assert len(list((tmp_path / "pictures").glob("*.svg"))) == 4


def test_a_folder_that_cannot_be_written_is_told(path, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(QATFlowError, match=f"Cannot write {tmp_path}/file: .*; choose another place with --out"):
        visualize(path, "--out", str(tmp_path / "file"))


def test_an_unknown_format_is_refused_with_the_known_ones(path):
    with pytest.raises(ParamsError, match=r"Unknown format 'pngs'. Known: png, svg. Did you mean 'png'\?"):
        visualize(path, "--format", "pngs")
