"""`qatflow ensemble` as a program: a bundle, or one clear sentence and nothing written."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from qatflow.release.bundle import load_bundle
from tests.unit.release.fabricate import bundle, digits, flatbuffer

COMMAND = [sys.executable, "-c", "from qatflow.cli import main; main()"]


def run(*words: object) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([*COMMAND, *map(str, words)], capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    place = tmp_path_factory.mktemp("bundles")
    return [
        bundle(place / strategy, flatbuffer(name), strategy)
        for strategy, name in {"ptq_w8a8": "int8", "qat_w4a8": "int4"}.items()
    ]


@pytest.mark.slow
def test_two_bundles_become_one_that_infers(bundles: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "one"

    done = run("ensemble", *bundles, "--data", "digits", "--out", out, "--combine", "vote")

    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    result = json.loads((out / "result.json").read_text())
    assert f"vote of 2: {result['tflite_accuracy']:.4f} on the test split" in done.stdout
    assert f"against {result['best']}, the best of them" in done.stdout
    assert f"qatflow distil {out} --student MODEL" in done.stdout
    assert load_bundle(out).manifest.strategy == "ensemble"
    x, y = digits().test.arrays(limit=5)
    np.save(tmp_path / "samples.npy", x * 16)
    lines = run("infer", out, tmp_path / "samples.npy").stdout.splitlines()
    assert [json.loads(line)["labels"] for line in lines] == [str(label) for label in y]


@pytest.mark.slow
def test_a_mistake_is_one_sentence(bundles: list[Path], tmp_path: Path) -> None:
    done = run("ensemble", bundles[0], bundles[0], "--data", "digits", "--out", tmp_path / "one")

    assert done.returncode == 1
    assert done.stderr.startswith("Error: ")
    assert "hold the same flatbuffer" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert not (tmp_path / "one").exists()
