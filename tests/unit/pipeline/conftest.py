"""A tiny DVC project with two stages, `upper` and `twice`, which a shell and the flow's worker can both run."""

from pathlib import Path

import pytest
from dvc.repo import Repo

DVC_YAML = """
stages:
  upper:
    cmd: python3 -m tasks.upper
    deps: [text.txt]
    params: [suffix]
    outs: [out/upper]
  twice:
    cmd: python3 -m tasks.twice
    deps: [out/upper]
    outs: [out/twice]
"""
STAGE = """
import sys
from pathlib import Path
sys.path.insert(0, {source!r})
from qatflow import artifacts

def make():
    (Path("log")).open("a").write("{name}\\n")
    text = Path({read!r}).read_text()
    with artifacts.stage_output(Path("out/{name}"), "{name}") as out:
        (out / "text").write_text({expression})

if __name__ == "__main__":
    make()
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the root of the project, which is also the current folder."""
    source = str(Path(__file__).parents[3] / "src")
    suffix = "Path('params.yaml').read_text().split()[1]"
    stages = {"upper": ("text.txt", f"text.upper() + {suffix}"), "twice": ("out/upper/text", "text * 2")}
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "__init__.py").touch()
    for name, (read, expression) in stages.items():
        code = STAGE.format(source=source, name=name, read=read, expression=expression)
        (tmp_path / "tasks" / f"{name}.py").write_text(code)
    (tmp_path / "dvc.yaml").write_text(DVC_YAML)
    (tmp_path / "params.yaml").write_text("suffix: x\n")
    (tmp_path / "text.txt").write_text("abc")
    monkeypatch.chdir(tmp_path)
    Repo.init(no_scm=True).close()
    return tmp_path
