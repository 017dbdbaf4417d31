"""The `qatflow` command in this process: what it prints, and what it ends with."""

import sys

import pytest
from typer.testing import CliRunner

from qatflow.cli import app, main


def run(*words: object) -> str:
    """Return what a command that ends well prints."""
    done = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def fail(monkeypatch: pytest.MonkeyPatch, *words: object) -> str:
    """Return the sentence with which a command ends that cannot do its work."""
    monkeypatch.setattr(sys, "argv", ["qatflow", *map(str, words)])
    with pytest.raises(SystemExit) as end:
        main()
    return str(end.value.code)
