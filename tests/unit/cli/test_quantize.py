"""`qatflow quantize` as a program: a bundle, or one clear sentence and nothing written."""

import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from sklearn.datasets import load_digits
from typer.testing import CliRunner

from qatflow.backend import keras, start
from qatflow.cli import app, main
from qatflow.cli.quantize import _say_trial
from qatflow.evaluation.alarm import Alarm
from qatflow.release.bundle import load_bundle
from qatflow.screen import Screen
from qatflow.search.trial import Trial

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with model.keras, model.h5 and digits.npz."""
    folder = tmp_path_factory.mktemp("user")
    digits = load_digits()
    x, y = (digits.images[..., None] / 16).astype(np.float32), digits.target
    start(1)
    stack = [
        keras.layers.Conv2D(4, 3, activation="relu", input_shape=(8, 8, 1), name="conv"),
        keras.layers.Flatten(name="flatten"),
        keras.layers.Dense(10, activation="softmax", name="classes"),
    ]
    model = keras.Sequential(stack, name="user")
    model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy")
    model.fit(x, y, epochs=4, verbose=0)
    for ending in (".keras", ".h5"):
        model.save(folder / f"model{ending}")
    np.savez(folder / "digits.npz", x=x, y=y)
    np.save(folder / "samples.npy", x[:2])
    (folder / "text.keras").write_text("no model")
    return folder


def test_an_alarm_stands_under_its_candidate():
    console = Console(file=io.StringIO(), width=200)
    alarm = Alarm("it answers otherwise", "the two part at 'c'", of_conversion=True)

    _say_trial(Screen(console), Trial("ptq_w4a8", "measured", val_score=0.1, size_bytes=9, alarm=alarm))

    assert console.file.getvalue().splitlines()[1] == "     ALARM: it answers otherwise; the two part at 'c'"


def fail(monkeypatch, *words):
    """Run as the program does; return what it says on its way out."""
    monkeypatch.setattr(sys, "argv", ["qatflow", "quantize", *map(str, words)])
    with pytest.raises(SystemExit) as end:
        main()
    return str(end.value.code)


@pytest.mark.slow
def test_a_program_call_makes_a_bundle_that_infers(place, tmp_path):
    out = tmp_path / "bundle"
    words = ["quantize", place / "model.h5", "--data", place / "digits.npz", "--out", out, "--max-samples", "300"]
    command = [sys.executable, "-c", "from qatflow.cli import main; main()"]

    done = subprocess.run([*command, *words], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stdout + done.stderr
    facts = json.loads((out / "result.json").read_text())
    assert f" {facts['strategy']}: {facts['size_bytes']} bytes" in done.stdout
    assert facts["reason"] in done.stdout
    assert {"float_accuracy", "tflite_accuracy", "agreement", "latency_us", "candidates"} <= facts.keys()
    assert load_bundle(out).manifest.strategy == facts["strategy"]
    lines = CliRunner().invoke(app, ["infer", str(out), str(place / "samples.npy")]).stdout.splitlines()
    assert [json.loads(line)["labels"] for line in lines] == ["0", "1"]
    example = [sys.executable, ROOT / "examples/run_bundle.py", out, place / "samples.npy"]
    assert [line[0] for line in subprocess.check_output(example, text=True).splitlines()] == ["0", "1"]


@pytest.mark.slow
def test_one_strategy_on_a_source_by_name(place, tmp_path):
    words = ["quantize", place / "model.keras", "--data", "digits", "--out", tmp_path / "a", "--strategy", "ptq_w8a8"]

    for _ in range(2):  # the second replaces the first
        done = CliRunner().invoke(app, [*map(str, words), "--max-samples", "100"])
        assert done.exit_code == 0, done.output

    facts = json.loads((tmp_path / "a" / "result.json").read_text())
    assert [line["strategy"] for line in facts["candidates"]] == ["float32", "ptq_w8a8"]
    assert facts["test_samples"] == 100


@pytest.mark.parametrize(
    ("model", "data", "more", "told"),
    [
        ("none.keras", "digits", "", "none.keras does not exist"),
        ("text.keras", "digits", "", "neither a .keras nor a .h5 file"),
        ("model.keras", "nothing.csv", "", "do not exist"),
        ("model.keras", "text.keras", "", "are not understood"),
        ("model.keras", "digits", "--source cvs", "Did you mean 'csv'"),
        ("model.keras", "digits", "--strategy qat_w3a8", "does not survive"),
        ("model.keras", "digits", "--strategy ptq_w8a88", "Did you mean 'ptq_w8a8'"),
        ("model.keras", "digits", "--max-drop 2", "from 0 to 1"),
        ("model.keras", "digits", "--size-budget 0", "at least 1"),
        ("model.keras", "digits", "--task poetry", "Unknown task"),
        ("model.keras", "digits", "--epochs 0", "epochs is 0"),
        ("model.keras", "digits", "--max-samples 1", "each needs at least 2"),
    ],
)
def test_mistakes_are_one_sentence_and_nothing_is_written(  # noqa: PLR0917 (pytest calls it by name)
    place, tmp_path, monkeypatch, model, data, more, told
):
    data = data if data == "digits" else place / data

    message = fail(monkeypatch, place / model, "--data", data, "--out", tmp_path / "out", *more.split())

    assert message.startswith("Error: ")
    assert told in message
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_ours_is_not_overwritten(place, monkeypatch):
    before = sorted(place.iterdir())

    assert "nothing is overwritten" in fail(monkeypatch, place / "model.h5", "--data", "digits", "--out", place)
    assert sorted(place.iterdir()) == before


@pytest.mark.parametrize("layer", ["conv", "=8", "conv=5", "conv=int8"])
def test_a_layer_is_given_as_name_and_width(place, tmp_path, monkeypatch, layer):
    words = [place / "model.h5", "--data", "digits", "--out", tmp_path / "out", "--layer", layer]

    assert f"--layer {layer}: expected NAME=4, 8 or float" in fail(monkeypatch, *words)
