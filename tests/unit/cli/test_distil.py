"""`qatflow distil` as a program: a student's bundle, or one clear sentence and nothing written."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from qatflow.release.bundle import load_bundle
from tests.unit.release.fabricate import bundle, flatbuffer

pytestmark = pytest.mark.slow
COMMAND = [sys.executable, "-c", "from qatflow.cli import main; main()"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a bundle of digits and an untrained student.h5."""
    from qatflow.backend import keras, start

    folder = tmp_path_factory.mktemp("user")
    bundle(folder, flatbuffer("int8"), "ptq_w8a8")
    start(1)
    layers = [keras.layers.Flatten(input_shape=(8, 8, 1)), keras.layers.Dense(10, "softmax", name="classes")]
    keras.Sequential(layers, name="student").save(folder / "student.h5")
    return folder


def run(place: Path, out: Path, *words: object) -> "subprocess.CompletedProcess[str]":
    told = ["distil", place / "bundle", "--student", place / "student.h5", "--data", "digits", "--out", out, *words]
    return subprocess.run([*COMMAND, *map(str, told)], capture_output=True, text=True, check=False)


def test_a_student_becomes_a_bundle_and_is_held_against_its_teacher(place: Path, tmp_path: Path) -> None:
    out = tmp_path / "student"

    done = run(place, out, "--epochs", 6, "--learning-rate", 0.02, "--share", 0.9)

    assert done.returncode == 0, done.stderr
    result, loaded = json.loads((out / "result.json").read_text()), load_bundle(out)
    assert (loaded.manifest.strategy, loaded.sha256) == ("qat_w8a8_per_channel", result["sha256"])
    assert loaded.manifest.preprocessing.scale == (1 / 16,)
    assert result["teacher"]["sha256"] == load_bundle(place / "bundle").sha256
    assert result["tflite_accuracy"] > 0.85 > result["float_accuracy"]
    assert f"{result['tflite_accuracy']:.4f} on the test split" in done.stdout
    assert "its teacher (ptq_w8a8): 0.9" in done.stdout


def test_a_strategy_that_does_not_train_is_refused(place: Path, tmp_path: Path) -> None:
    done = run(place, tmp_path / "student", "--strategy", "ptq_w8a8")

    assert done.returncode == 1
    assert "Error: Strategy 'ptq_w8a8' does not train" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert not (tmp_path / "student").exists()
