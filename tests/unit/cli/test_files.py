"""What the disk refuses is told in a sentence, whichever command met it; a fault of our own keeps its traceback."""

import errno
import signal
import sys

import pytest

from qatflow.cli import main, run


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.ENOSPC])
def test_a_refusal_of_the_disk_is_a_sentence(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def refused() -> None:
        raise OSError(number, "text of the system", "/some/.dvc/tmp")

    monkeypatch.setattr(run, "find_root", refused)
    monkeypatch.setattr(sys, "argv", ["qatflow", "status"])

    with pytest.raises(SystemExit, match=r"^Error: /some/.dvc/tmp: .*\. Whoever works in a project must own it"):
        main()


def test_another_error_of_the_system_is_a_fault_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails() -> None:
        raise FileNotFoundError(errno.ENOENT, "x", "/forgotten")

    monkeypatch.setattr(run, "find_root", fails)
    monkeypatch.setattr(sys, "argv", ["qatflow", "status"])

    with pytest.raises(FileNotFoundError):
        main()


def test_ctrl_c_in_a_command_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(run, "find_root", lambda: signal.raise_signal(signal.SIGINT))
    monkeypatch.setattr(sys, "argv", ["qatflow", "status"])

    with pytest.raises(SystemExit) as end:
        main()

    assert (end.value.code, capsys.readouterr().err) == (130, "Stopped.\n")
