"""A disk that fills up in the middle of a stage: one clear sentence, no half-written output, finished stages kept."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from qatflow import artifacts

pytestmark = [pytest.mark.slow, pytest.mark.fault]
ROOT = Path(__file__).parents[2]
UNSHARE = ["unshare", "--user", "--map-root-user", "--mount"]


def _can_mount() -> bool:
    if shutil.which("unshare") is None:
        return False
    trial = [*UNSHARE, "mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", "/mnt"]
    return subprocess.run(trial, capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not _can_mount(), reason="needs user namespaces to mount a small disk")
def test_full_disk_is_named_and_leaves_no_half_output(tmp_path: Path) -> None:
    (tmp_path / "tasks").mkdir()
    for name in ("__init__", "prepare"):
        shutil.copy(ROOT / "tasks" / f"{name}.py", tmp_path / "tasks")
    shutil.copy(ROOT / "params.yaml", tmp_path)
    (tmp_path / "artifacts").mkdir()
    script = (
        f"mount -t tmpfs -o size=96k tmpfs artifacts && mkdir artifacts/earlier && echo kept > artifacts/earlier/file; "
        f"{sys.executable} -m tasks.prepare; code=$?; ls -A artifacts > listing; cat artifacts/earlier/file >> listing;"
        " exit $code"
    )

    done = subprocess.run(
        [*UNSHARE, "sh", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False, env=os.environ
    )

    assert done.returncode == 1
    assert "Error: No space left on device" in done.stderr
    assert "finished stages are kept" in done.stderr
    assert "Traceback" not in done.stderr
    assert (tmp_path / "listing").read_text().split() == ["earlier", "kept"]


def test_killed_writer_leaves_the_former_output(tmp_path: Path) -> None:
    with artifacts.stage_output(tmp_path / "out", "demo") as out:
        (out / "a").write_text("former")
    code = (
        "import os, sys; from pathlib import Path; from qatflow import artifacts\n"
        "with artifacts.stage_output(Path('out'), 'demo') as out:\n"
        "    (out / 'a').write_text('half')\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    killed = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=False)

    assert killed.returncode == -9
    artifacts.verify(tmp_path / "out")
    assert (tmp_path / "out" / "a").read_text() == "former"
    with artifacts.stage_output(tmp_path / "out", "demo") as out:
        (out / "a").write_text("new")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]
