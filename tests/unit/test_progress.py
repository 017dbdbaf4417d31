"""A bar where somebody looks, nothing where nobody does, and silence of native libraries that ends."""

import os
import pty
import subprocess
import sys
import threading
from pathlib import Path

from qatflow.progress import shown, silent
from qatflow.quiet import hushed

PROGRAM = "from qatflow.progress import shown\nwith shown({}) as tell: tell('[measuring]', 3, 7)"


def on_terminal(wanted: bool) -> str:
    """Return what a program shows on a terminal."""
    ours, theirs = pty.openpty()
    subprocess.run([sys.executable, "-c", PROGRAM.format(wanted)], stdout=theirs, check=True)
    os.write(theirs, b"END")
    said = b""
    while not said.endswith(b"END"):
        said += os.read(ours, 4096)
    os.close(ours)
    os.close(theirs)
    return said.decode()


def test_a_terminal_shows_a_bar_unless_it_is_not_wished():
    assert "[measuring]" in on_terminal(True)
    assert "3/7" in on_terminal(True)
    assert on_terminal(False) == "END"


def test_a_pipe_gets_nothing_and_a_caller_is_told_himself():
    done = subprocess.run([sys.executable, "-c", PROGRAM.format(True)], capture_output=True, text=True, check=True)
    told = []

    with shown(lambda *words: told.append(words)) as tell, shown(False) as nothing:
        tell("measuring", 1, 2)
        assert nothing is silent
    assert (done.stdout, told) == ("", [("measuring", 1, 2)])


def test_standard_error_comes_back_when_the_last_of_several_blocks_ends(capfd):
    inside, outside = threading.Barrier(2), threading.Barrier(2)

    def first() -> None:
        with hushed():
            inside.wait()
            outside.wait()

    other = threading.Thread(target=first)
    other.start()
    with hushed(), hushed():
        inside.wait()
        os.write(2, b"lost")
    os.write(2, b"lost too")
    outside.wait()
    other.join()
    os.write(2, b"seen")

    assert capfd.readouterr().err == "seen"
    before = len(list(Path("/proc/self/fd").iterdir()))
    with hushed():
        pass
    assert len(list(Path("/proc/self/fd").iterdir())) == before
