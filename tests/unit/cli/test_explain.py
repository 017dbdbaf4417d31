"""`qatflow explain`: words, files, and one sentence for each mistake."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from qatflow import artifacts
from qatflow.cli import app, main
from qatflow.data.prepare import prepare_data
from qatflow.params.data import DataParams
from tests.unit.release.fabricate import bundle

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
QUICK = ("--players", "16", "--evaluations", "8")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a bundle that is in no project."""
    place = tmp_path_factory.mktemp("place")
    bundle(place)
    return place


def run(*words: object) -> str:
    done = CliRunner().invoke(app, ["explain", *map(str, words)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def fail(*words: object, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run as the program does; return what it says on its way out."""
    monkeypatch.setattr(sys, "argv", ["qatflow", "explain", *map(str, words)])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code not in {0, None}
    return str(end.value.code)


def test_it_says_why_and_writes_a_picture_and_figures(place: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "out"

    said = run(place / "bundle", "--data", "digits", "--index", 0, "--index", 2, "--out", out, *QUICK)

    assert sorted(file.name for file in out.iterdir()) == [
        "sample-0.json", "sample-0.png", "sample-2.json", "sample-2.png"
    ]  # fmt: skip
    record = json.loads((out / "sample-2.json").read_text())
    assert record["model_sha256"] == artifacts.sha256_file(place / "bundle" / "model.tflite")
    assert f"Sample 2 of the test split, label {record['label']}: the model says {record['outputs'][0]['name']}" in said
    assert "raised by " in said
    with Image.open(out / "sample-2.png") as picture:
        assert picture.width > picture.height > 300


def test_a_repeat_gives_the_same_figures(place: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        run(place / "bundle", "--data", "digits", "--index", 1, "--out", tmp_path / name, *QUICK)

    first, again = ((tmp_path / name / "sample-1.json").read_bytes() for name in ("a", "b"))
    assert first == again


def test_in_a_project_its_data_are_explained(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    with artifacts.stage_output(tmp_path / "artifacts" / "prepare", "prepare") as out:
        prepare_data(DataParams(), "unit", 42, out)
    monkeypatch.chdir(tmp_path)

    said = run(place / "bundle", "--index", 0, *QUICK)

    assert "Sample 0 of the test split" in said
    assert not (tmp_path / "sample-0.json").exists()


def test_without_data_it_says_where_they_could_come_from(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    said = fail(place / "bundle", "--index", 0, monkeypatch=monkeypatch)

    assert said.startswith("Error: A bundle holds no data: name them with --data, or be in a project. Known: digits")


def test_an_index_out_of_range_writes_nothing(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = fail(
        *(place / "bundle", "--data", "digits", "--index", 0, "--index", 5000, "--out", tmp_path, *QUICK),
        monkeypatch=monkeypatch,
    )

    assert said == "Error: There is no sample 5000: the test split has 360, 0 to 359"
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_refused_at_once(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("kept")

    said = fail(
        *(place / "bundle", "--data", "nothing", "--index", 0, "--out", tmp_path / "file" / "out"),
        monkeypatch=monkeypatch,
    )

    assert said.startswith(f"Error: Cannot write to {tmp_path}/file/out: ")
    assert said.endswith("Name another folder with --out")
    assert (tmp_path / "file").read_text() == "kept"


def test_a_table_cannot_be_blurred_and_other_data_do_not_fit(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.savez(tmp_path / "table.npz", x=np.random.default_rng(0).random((40, 5)), y=np.arange(40) % 2)

    said = fail(place / "bundle", "--data", tmp_path / "table.npz", "--index", 0, monkeypatch=monkeypatch)

    assert "holds samples of shape [5]; the bundles are for [8, 8, 1]" in said


def test_neither_tensorflow_nor_a_traceback_is_needed(place: Path, tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['tensorflow'] = None; sys.modules['tf_keras'] = None\n"
        "from qatflow.cli import main; main()"
    )
    command = [sys.executable, "-c", program, "explain", place / "bundle", "--data", "digits", "--index", 0]
    done = subprocess.run(
        [*map(str, command), "--out", str(tmp_path / "out"), *QUICK], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "out" / "sample-0.png").is_file()
