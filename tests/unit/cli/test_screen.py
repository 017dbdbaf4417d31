"""One calm screen: finished lines only where there is no terminal, and noise only in the log."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from qatflow.screen import Screen, quiet


def test_without_a_terminal_only_finished_lines_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    screen = Screen(Console(highlight=False))
    screen.wait("starting")
    screen.ready()
    with screen.stage("prepare") as line:
        line.progress("reading", 1, 2)
        line.outcome = "fresh"

    assert capsys.readouterr().out.rstrip() == f" · {'prepare':34}fresh"


def test_a_stage_that_raises_is_shown_as_failed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ZeroDivisionError), Screen(Console(highlight=False)).stage("prepare"):
        raise ZeroDivisionError

    assert "✗ prepare" in capsys.readouterr().out


def test_text_is_never_taken_for_markup(capsys: pytest.CaptureFixture[str]) -> None:
    Screen(Console(highlight=False)).say("data/[red]x[/red].npz")

    assert capsys.readouterr().out == "data/[red]x[/red].npz\n"


@pytest.mark.slow
def test_noise_of_any_kind_goes_to_the_log(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from qatflow.screen import quiet\n"
        "with quiet(Path('log')) as console:\n"
        "    print('python'); os.write(2, b'native\\n'); console.print('shown')\n"
        "print('after')"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)

    assert done.stdout == "shown\nafter\n"
    assert done.stderr == ""
    assert sorted((tmp_path / "log").read_text().split()) == ["native", "python"]


def test_quiet_gives_both_streams_back_after_an_error(tmp_path: Path) -> None:
    before = os.fstat(1), os.fstat(2)

    def fail() -> None:
        with quiet(tmp_path / "log"):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()

    assert (os.fstat(1), os.fstat(2)) == before
