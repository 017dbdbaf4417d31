"""`kill -9` of a training, of one of two workers, and of all: what is started again ends with the undisturbed bytes."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).parents[2]
PARAMS = """
data: {{max_samples: 300}}
model: {{name: {model}, width: 0.25}}
training: {{distribution: {distribution}}}
pretrain: {{epochs: 5, batch_size: 32}}
"""

pytestmark = [pytest.mark.fault, pytest.mark.timeout(600)]


def make(folder: Path, distribution: str, model: str) -> Path:
    folder.mkdir()
    (folder / "params.yaml").write_text(PARAMS.format(distribution=distribution, model=model))
    assert start(folder, "prepare").wait() == 0
    return folder


def start(project: Path, stage: str) -> subprocess.Popen[bytes]:
    environment = os.environ | {"PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
    command = [sys.executable, "-m", f"tasks.{stage}"]
    return subprocess.Popen(command, cwd=project, env=environment, stdout=subprocess.PIPE, start_new_session=True)


def outcome(project: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (project / "artifacts" / "pretrain").iterdir()}


def wait_for_epoch(project: Path, number: int, process: subprocess.Popen[bytes]) -> None:
    """Return when the checkpoint of an epoch is there."""
    deadline = time.monotonic() + 200
    while not list(project.glob(f".qatflow/checkpoints/*/*/epoch-{number:06d}/manifest.json")):
        assert process.poll() is None, "it ended before the epoch did"
        assert time.monotonic() < deadline
        time.sleep(0.02)


def kill_all(process: subprocess.Popen[bytes]) -> None:
    for each in (*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)):
        each.send_signal(signal.SIGKILL)
    process.wait()


def test_a_killed_training_goes_on(tmp_path: Path) -> None:
    undisturbed, killed = (make(tmp_path / name, "none", "ds_cnn") for name in ("a", "b"))  # with dropout
    assert start(undisturbed, "pretrain").wait() == 0
    process = start(killed, "pretrain")
    wait_for_epoch(killed, 2, process)
    kill_all(process)
    assert not (killed / "artifacts" / "pretrain").exists()

    assert start(killed, "pretrain").wait() == 0

    assert outcome(killed) == outcome(undisturbed)
    assert not list(killed.glob(".qatflow/checkpoints/*"))


@pytest.mark.long
def test_killed_workers_are_started_again_and_go_on(tmp_path: Path) -> None:
    undisturbed, killed = (make(tmp_path / name, "multi_worker", "small_cnn") for name in ("a", "b"))
    assert start(undisturbed, "pretrain").wait() == 0
    process = start(killed, "pretrain")
    wait_for_epoch(killed, 1, process)
    psutil.Process(process.pid).children()[1].send_signal(signal.SIGKILL)
    wait_for_epoch(killed, 3, process)
    kill_all(process)

    assert start(killed, "pretrain").wait() == 0

    assert outcome(killed) == outcome(undisturbed)
