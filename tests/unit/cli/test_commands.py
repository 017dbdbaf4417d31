"""The commands that need no training: what they print, and how they speak of mistakes."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from dvc.repo import Repo
from typer.testing import CliRunner, Result

from qatflow import __version__, artifacts, params_file
from qatflow.cli import app, main
from qatflow.data.prepare import prepare_data
from qatflow.data.prepared import open_prepared
from tests.unit.release.fabricate import COLUMNS, bundle, regressor

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project with prepared data and a bundle, made once."""
    root = tmp_path_factory.mktemp("project")
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, root)
    params = params_file.load(root / "params.yaml")
    with artifacts.stage_output(root / "artifacts/prepare", "prepare") as out:
        prepare_data(params.data, params.normalization, params.seed, out)
    (root / "deployed").mkdir()
    bundle(root / "deployed").rename(root / "deployed/current")
    return root


@pytest.fixture
def project(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a copy of the project, which is also the current folder."""
    shutil.copytree(template, tmp_path / "project")
    monkeypatch.chdir(tmp_path / "project")
    return tmp_path / "project"


def _run(*words: str) -> Result:
    return CliRunner().invoke(app, words)


def _fail(*words: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run as the program does; return what it says on its way out."""
    monkeypatch.setattr(sys, "argv", ["qatflow", *words])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code not in {0, None}
    return str(end.value.code)


def test_infer_prints_a_line_for_each_sample(project: Path) -> None:
    np.save("samples.npy", open_prepared(project / "artifacts/prepare").test.arrays(limit=3)[0] * 16)

    lines = [json.loads(line) for line in _run("infer", "deployed/current", "samples.npy").stdout.splitlines()]

    assert [len(line["scores"]) for line in lines] == [10, 10, 10]
    assert {line["labels"] for line in lines} <= set("0123456789")


def test_infer_takes_one_sample_as_csv(project: Path) -> None:
    np.savetxt("sample.csv", np.ones((8, 8)), delimiter=",")

    assert len(_run("infer", "deployed/current", "sample.csv").stdout.splitlines()) == 1


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (np.zeros((2, 5, 5, 1)), "expected one or more samples of (8, 8, 1)"),
        (np.full((1, 8, 8, 1), np.nan), "NaN or infinity"),
        (np.array([{}], dtype=object), "cannot be read as samples"),
    ],
)
def test_infer_names_bad_samples(
    project: Path, monkeypatch: pytest.MonkeyPatch, content: np.ndarray, words: str
) -> None:
    np.save("bad.npy", content)

    message = _fail("infer", "deployed/current", "bad.npy", monkeypatch=monkeypatch)

    assert message.startswith("Error: bad.npy")
    assert words in message


def test_the_table_that_trained_is_scored_with_header_and_label(tmp_path: Path, brightness, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    made, (x, y) = regressor(tmp_path, brightness), brightness.test.arrays(3)
    rows = [["bright", *COLUMNS[::-1]], *np.hstack([y, x[:, ::-1]]).tolist()]
    Path("a.csv").write_text("\n".join(",".join(map(str, row)) for row in rows))
    np.save("a.npy", x)

    table = CliRunner().invoke(app, ["infer", str(made), "a.csv"])

    assert table.stdout == _run("infer", str(made), "a.npy").stdout
    assert "not used of a.csv: bright" in table.stderr
    assert "on all 3 samples of a.csv" in _run("evaluate", str(made), "--data", "a.csv").stdout


def test_infer_of_a_table_says_which_columns_it_wants(tmp_path: Path, brightness, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    made = regressor(tmp_path, brightness)
    Path("a.csv").write_text("pixel 0,other\n1,2\n")
    assert "a.csv has no column pixel 1" in _fail("infer", str(made), "a.csv", monkeypatch=monkeypatch)
    Path("b.csv").write_text("a,b\n1,2\n")
    assert "or a header with pixel 0, pixel 1" in _fail("infer", str(made), "b.csv", monkeypatch=monkeypatch)


def test_evaluate_gives_all_figures_as_json(project: Path) -> None:
    metrics = json.loads(_run("evaluate", "deployed/current", "--json").stdout)

    assert np.sum(metrics["confusion_matrix"]) == open_prepared(project / "artifacts/prepare").test.count


def test_evaluate_of_a_file_that_is_no_model(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "x.tflite").write_bytes(b"nothing")

    assert _fail("evaluate", "x.tflite", monkeypatch=monkeypatch).startswith("Error: ")


def test_lineage_prints_the_chain(project: Path) -> None:
    out = _run("lineage").stdout

    assert artifacts.sha256_file(project / "deployed/current/model.tflite") in out
    assert "never promoted" in out
    assert "git commit   9f1c2e7" in out


def test_altered_bundle_is_refused(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (project / "deployed/current/model.tflite").open("ab") as file:
        file.write(b"x")

    assert "was altered" in _fail("lineage", monkeypatch=monkeypatch)


def test_status_of_a_clone_is_a_line(project: Path) -> None:
    Repo.init(no_scm=True).close()
    shutil.copytree(ROOT / "tasks", project / "tasks")
    (project / "data").mkdir()
    (project / "models").mkdir()

    (line,) = _run("status").stdout.splitlines()

    assert line.startswith(" None of the ")
    assert "stages ran yet" in line


def test_the_version_is_said() -> None:
    assert _run("--version").stdout == f"qatflow {__version__}\n"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("quantize", "no.keras", "--data", "digits", "--out", "o"), "Model no.keras does not exist"),
        (("quantize", "m.keras", "--data", "no.npz", "--out", "o"), "Data 'no.npz' do not exist"),
        (("ensemble", "a", "b", "--data", "no.csv", "--out", "o"), "Data 'no.csv' do not exist"),
        (("distil", "a", "--student", "no.h5", "--data", "digits", "--out", "o"), "Model no.h5 does not exist"),
        (("explain", "a", "--index", "0", "--data", "no.csv"), "Data 'no.csv' do not exist"),
        (("quantize", "m.keras", "--data", "no", "--source", "csv", "--out", "o"), "Data 'no' do not exist"),
    ],
)
def test_what_is_not_there_is_told_before_tensorflow_starts(tmp_path: Path, words: tuple[str, ...], says: str) -> None:
    (tmp_path / "m.keras").touch()
    script = "import sys, qatflow.cli as cli\ntry: cli.main()\nfinally: assert 'tensorflow' not in sys.modules\n"
    done = subprocess.run(
        [sys.executable, "-c", script, *words], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert done.returncode == 1
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_lineage_of_a_project_whose_target_is_no_bundle_is_that_of_what_was_released(project: Path) -> None:
    shutil.move("deployed/current", "artifacts/release/bundle")
    Path("deployed/current").mkdir()
    Path("deployed/current/model.h").touch()

    assert "git commit   9f1c2e7" in _run("lineage").stdout


def test_dry_run_plans_and_touches_nothing(project: Path) -> None:
    Repo.init(no_scm=True).close()
    shutil.copytree(ROOT / "tasks", project / "tasks")
    (project / "data").mkdir()
    (project / "models").mkdir()
    before = (project / "params.yaml").read_bytes()

    out = _run("run", "--dry-run", "--set", "quantize.variants=[float16]").stdout

    assert "would be ['float16']" in out
    assert "quantize@float16" in out
    assert "quantize@ptq_w8a8" not in out
    assert (project / "params.yaml").read_bytes() == before


def test_unknown_parameter_names_the_nearest(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    message = _fail("run", "--set", "pretrain.epoch=3", monkeypatch=monkeypatch)

    assert message == "Error: Unknown parameter 'pretrain.epoch'. Did you mean 'pretrain.epochs'?"


def test_outside_of_a_project_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    assert "No QATFlow project" in _fail("status", monkeypatch=monkeypatch)


def test_doctor_finds_a_broken_params_file(project: Path) -> None:
    assert _run("doctor").exit_code == 0
    (project / "params.yaml").write_text("sed: 1")

    done = _run("doctor")

    assert done.exit_code == 1
    assert "Did you mean 'seed'" in done.stdout
