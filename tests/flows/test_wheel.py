"""The wheel alone, without this repository: a project of one's own is made, runs, takes stages and checks itself."""

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from qatflow import artifacts, params_file
from tests.flows.project import NO_GATES, ROOT

pytestmark = [pytest.mark.slow, pytest.mark.flow, pytest.mark.timeout(900)]
SMALL = {
    "data.max_samples": 300,
    "pretrain.epochs": 2,
    "quantize.variants": ["ptq_w8a8"],
    "evaluate.latency_runs": 5,
    "explain.samples": 0,
    "release.gates": NO_GATES,
}
STAGE = '''"""Stage `count`: how many operators each flatbuffer has."""

from qatflow.pipeline.stage import StageRun, main, stage


@stage(reads=["convert"], params=["quantize.variants"])
def count(run: StageRun) -> None:
    """Write artifacts/count/operators.json."""
    from qatflow.artifacts import write_json
    from qatflow.tflite.inspect import inventory

    models = {name: run.read(f"convert/{name}") / "model.tflite" for name in run.params.quantize.variants}
    with run.write("count", *(path.parent for path in models.values())) as out:
        found = {name: inventory(path.read_bytes())["operators"] for name, path in models.items()}
        write_json(out / "operators.json", found)


if __name__ == "__main__":
    main(count)
'''


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an environment with the wheel, and the locked packages, but without this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", folder, ROOT]
    subprocess.run(build, check=True, capture_output=True)
    venv.create(folder / "env", with_pip=False, symlinks=True)
    site = next((folder / "env" / "lib").glob("python*")) / "site-packages"
    install = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", site, *folder.glob("*.whl")]
    subprocess.run(install, check=True, capture_output=True)
    (site / "others.pth").write_text(
        sysconfig.get_paths()["purelib"]
    )  # behind the wheel; the checkout's link is not read
    for name in ("dvc", "pytest"):
        program = folder / "env" / "bin" / name
        program.write_text(f"#!{folder}/env/bin/python\nfrom {name}.__main__ import main\nraise SystemExit(main())\n")
    program = folder / "env" / "bin" / "qatflow"
    program.write_text(f"#!{folder}/env/bin/python\nfrom qatflow.__main__ import main\nmain()\n")
    for path in (folder / "env" / "bin").glob("[dq]*"):
        path.chmod(0o755)
    return folder / "env"


def _run(environment: Path, folder: Path, *words: str) -> str:
    inherited = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "VIRTUAL_ENV"}}
    variables = inherited | {"PATH": f"{environment}/bin:/usr/bin:/bin", "PREFECT_HOME": str(environment / "prefect")}
    done = subprocess.run(words, cwd=folder, env=variables, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def project(environment: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project that `qatflow init` made and `make run` ran."""
    folder = tmp_path_factory.mktemp("home")
    assert "Next: cd demo && make run" in _run(environment, folder, "qatflow", "init", "demo")
    params_file.edit(folder / "demo" / "params.yaml", SMALL)
    said = _run(environment, folder / "demo", "make", "run")
    assert str(ROOT) not in said
    return folder / "demo"


def test_a_new_project_promotes_and_deploys(project: Path) -> None:
    receipt = artifacts.read_json(project / "artifacts/release/receipt.json")

    assert (receipt["decision"], receipt["version"]) == ("promoted", 1)
    assert (project / "deployed/current/model.tflite").is_file()


def test_dvc_has_nothing_to_do_and_says_so(environment: Path, project: Path) -> None:
    assert "up to date" in _run(environment, project, "dvc", "status")
    assert "didn't change" in _run(environment, project, "dvc", "repro")


def test_it_checks_itself(environment: Path, project: Path) -> None:
    assert "3 passed" in _run(environment, project, "make", "test")


def test_a_stage_of_ones_own_runs_in_both_ways(environment: Path, project: Path) -> None:
    (project / "tasks" / "count.py").write_text(STAGE)
    listed = (project / "tasks" / "stages.py").read_text()
    listed = listed.replace("from tasks.deploy", "from tasks.count import count\nfrom tasks.deploy")
    (project / "tasks" / "stages.py").write_text(listed.replace("STAGES = (", "STAGES = (count, "))

    said = _run(environment, project, "qatflow", "run")

    assert "✓ count" in said
    assert artifacts.read_json(project / "artifacts/count/operators.json")["ptq_w8a8"]
    shutil.rmtree(project / "artifacts" / "count")
    assert "Running stage" not in _run(environment, project, "dvc", "repro")
    assert (project / "artifacts/count/operators.json").is_file()


@pytest.mark.parametrize(("package", "changed"), [("prefect", False), ("tensorflow", True)])
def test_another_version_runs_what_it_can_change(environment: Path, project: Path, package: str, changed: bool) -> None:
    before = artifacts.read_json(project / "code.json")
    site = next((environment / "lib").glob("python*")) / "site-packages"
    newer = site / f"{package}-9.9.9.dist-info"  # before the real one on the path
    newer.mkdir()
    (newer / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 9.9.9\n")

    _run(environment, project, "qatflow", "graph")
    now = artifacts.read_json(project / "code.json")
    shutil.rmtree(newer)

    different = {stage for stage in now if now[stage] != before[stage]}
    assert ({"pretrain", "quantize", "convert"} <= different) == changed
    assert different.isdisjoint({"evaluate", "ensemble", "release", "deploy"})
    _run(environment, project, "qatflow", "graph")
    assert artifacts.read_json(project / "code.json") == before
