"""Stages in a process of their own: progress, errors, death and timeouts reach the parent; nothing is left over."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from qatflow.errors import DataError, StageError
from qatflow.pipeline.worker_process import StageWorker

ROOT = Path(__file__).parents[3]
STAGES = {
    "fine": "stage.progress('work', 1, 2); print('noise'); (stage.root / 'done').write_text(stage.variant)",
    "mistake": "raise DataError('row 7 is empty')",
    "bug": "raise ZeroDivisionError('by zero')",
    "death": "os.kill(os.getpid(), 9)",
    "slow": "subprocess.Popen(['sleep', '1000']); (stage.root / 'pid').write_text(str(os.getpid())); time.sleep(1000)",
    "environment": "(stage.root / 'done').write_text(os.environ['WORD'])",
    "full": "raise OSError(28, 'x', '/some/file')",
}
CODE = """
import os, subprocess, time
from qatflow.errors import DataError
from qatflow.pipeline.stage import stage

@stage()
def {name}(stage):
    {line}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "__init__.py").touch()
    for name, line in STAGES.items():
        (tmp_path / "tasks" / f"{name}.py").write_text(CODE.format(name=name, line=line))
    listed = "".join(f"from tasks.{name} import {name}\n" for name in STAGES)
    (tmp_path / "tasks" / "stages.py").write_text(f"{listed}STAGES = ({', '.join(STAGES)})\n")
    shutil.copy(ROOT / "params.yaml", tmp_path)
    return tmp_path


@pytest.fixture
def worker(project: Path) -> Iterator[StageWorker]:
    with StageWorker(project, project / "logs" / "run.log", preload=False) as worker:
        yield worker


def test_runs_with_variant_progress_and_noise_in_the_log(worker: StageWorker, project: Path) -> None:
    seen: list[tuple[str, int, int]] = []

    worker.run("fine@v1", 60, lambda *state: seen.append(state))

    assert seen == [("work", 1, 2)]
    assert (project / "done").read_text() == "v1"
    assert "noise" in (project / "logs" / "run.log").read_text()


def test_code_that_changed_since_the_process_began_is_run_by_another(worker: StageWorker, project: Path) -> None:
    worker.run("fine", 60)
    first, line = worker.start().pid, "(stage.root / 'done').write_text('new')"
    (project / "tasks" / "fine.py").write_text(CODE.format(name="fine", line=line))

    worker.run("fine", 60)

    assert worker.start().pid != first
    assert (project / "done").read_text() == "new"


def test_one_process_serves_many_stages(worker: StageWorker) -> None:
    worker.run("fine", 60)
    first = worker.start().pid
    worker.run("fine", 60)

    assert worker.start().pid == first


@pytest.mark.parametrize(
    ("stage", "error", "words"),
    [
        ("mistake", DataError, r"^row 7 is empty$"),
        ("bug", StageError, r"ZeroDivisionError: by zero.*run\.log"),
        ("death", StageError, r"SIGKILL"),
        ("full", Exception, r"No space left on device \(/some/file\).*finished stages are kept"),
    ],
)
def test_errors_reach_the_parent_and_the_next_stage_runs(
    worker: StageWorker, project: Path, stage: str, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        worker.run(f"{stage}", 60)

    worker.run("fine@again", 60)
    assert (project / "done").read_text() == "again"


def _wait_for(path: Path) -> int:
    deadline = time.monotonic() + 60
    while not (path.exists() and path.read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return int(path.read_text())


def _gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


@pytest.mark.slow
def test_timeout_ends_the_stage_and_its_children(worker: StageWorker, project: Path) -> None:
    worker.start()
    group = worker.start().pid

    with pytest.raises(StageError, match="longer than its limit of 2 s"):
        worker.run("slow", 2)

    assert [
        process for process in psutil.process_iter() if _group(process.pid) == group and not _gone(process.pid)
    ] == []


def _group(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return -1


def test_dies_with_its_parent(project: Path) -> None:
    code = (
        "from pathlib import Path; from qatflow.pipeline.worker_process import StageWorker\n"
        "StageWorker(Path('.'), Path('run.log'), preload=False).run('slow', 600)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], cwd=project)
    child = _wait_for(project / "pid")
    parent.send_signal(signal.SIGKILL)
    parent.wait()

    psutil.wait_procs([psutil.Process(child)] if psutil.pid_exists(child) else [], timeout=20)
    assert _gone(child)


def test_environment_is_passed(worker: StageWorker, project: Path) -> None:
    worker.run("environment", 60, env={"WORD": "hello"})

    assert (project / "done").read_text() == "hello"
