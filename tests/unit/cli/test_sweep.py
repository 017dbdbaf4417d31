"""What `qatflow sweep` refuses before anything starts, and how a sweep looks on the terminal."""

import io
import shutil
import sys
from pathlib import Path

import pytest
from rich.console import Console

from qatflow.cli import main
from qatflow.pipeline.sweep_screen import SweepScreen, say_summary
from qatflow.screen import Screen
from qatflow.sweep.result import TrialResult
from qatflow.sweep.trials import Trial

ROOT = Path(__file__).parents[3]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with the project's two files, which is also the current one."""
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("sweep.optimizers=[]", "sweep.optimizers: names nothing, and a sweep of nothing has no trials"),
        ("sweep.optimizers=[adam, adamm]", "unknown 'adamm'"),
        ("sweep.strategies=[qat_w4]", "Did you mean 'qat_w4a8'?"),
        ("sweep.models=[resnet]", "Did you mean 'resnet8'?"),
        ("sweep.search=random", "sweep.search: Input should be 'grid' or 'optuna', but it is 'random'"),
        ("sweep.seed=3", "Did you mean 'sweep.seeds'?"),
        ("sweep.workers=0", "sweep.workers: Input should be greater than or equal to 1, but it is 0"),
        ("sweep.trials=3", "flows/sweep.py is missing; `qatflow upgrade` writes"),
    ],
)
def test_a_mistake_is_told_in_words(project: Path, monkeypatch: pytest.MonkeyPatch, setting: str, words: str) -> None:
    monkeypatch.setattr(sys, "argv", ["qatflow", "sweep", "--set", setting])
    with pytest.raises(SystemExit) as end:
        main()
    assert words in str(end.value.code)
    assert "tensorflow" not in str(end.value.code)


def _console() -> tuple[Console, io.StringIO]:
    said = io.StringIO()
    return Console(file=said, width=150), said


def test_each_trial_has_a_line_whatever_became_of_it() -> None:
    console, said = _console()
    trial = {"trial": Trial("adam", "qat_w4a8", "mlp", 1, 0.1), "key": "k"}
    figures = {"val_score": 0.9, "test_score": 0.8, "size_bytes": 1234, "sha256": "a" * 64, "seconds": 5.0}
    done = TrialResult(**trial, status="done", **figures)
    with SweepScreen(Screen(console), 3) as screen:
        screen.show("adam [1]", done, repeated=False)
        screen.show("lion", done, repeated=True)
        screen.show("sgd", TrialResult(**trial, status="failed", reason="loss became nan"), repeated=False)
    lines = said.getvalue().splitlines()
    assert [line.split()[0] for line in lines] == ["✓", "·", "✗"]
    assert "adam [1]" in lines[0]
    assert lines[0].split()[-5:] == ["0.9000", "1234", "B", "5.0", "s"]
    assert lines[2].endswith("failed: loss became nan")


def test_the_end_says_what_is_best_and_where_to_look() -> None:
    console, said = _console()
    best = {"key": "k", "name": "adam rate 0.1", "val_score": 0.91, "test_score": 0.89, "size_bytes": 1234}
    summary = {"counts": {"done": 1, "pruned": 0, "failed": 2, "lost": 0}, "trials": [best], "best": "k"}
    say_summary(Screen(console), summary, Path("index.html"), "sqlite:///mlflow.db")
    assert "adam rate 0.1 is the best on the validation split: 0.9100; on the test split 0.8900" in said.getvalue()
    assert "1 done, 2 failed" in said.getvalue()
    assert "index.html" in said.getvalue()
