"""A stage whose process dies is tried again; what other stages made stands."""

import shutil
from dataclasses import replace

import pytest

from tests.flows.project import Project

pytestmark = [pytest.mark.slow, pytest.mark.flow]
DIES_ONCE = """
def prepare(run: StageRun) -> None:
    import os
    if not (run.root / "died").exists():
        (run.root / "died").touch()
        os.kill(os.getpid(), 9)
"""


def test_stage_that_was_killed_is_tried_again(trained: Project, tmp_path_factory: pytest.TempPathFactory) -> None:
    root = tmp_path_factory.mktemp("dying") / "project"
    shutil.copytree(trained.root, root, symlinks=True)
    project = replace(trained, root=root)
    task = root / "tasks/prepare.py"
    task.write_text(task.read_text().replace("\ndef prepare(run: StageRun) -> None:", DIES_ONCE, 1))

    done = project.flow()

    assert (root / "died").exists()
    assert done.returncode == 0, done.stdout
    assert "✗ prepare" in done.stdout
    assert {name for name, outcome in project.outcomes().items() if outcome == "ran"} == {"prepare"}
