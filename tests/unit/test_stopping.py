"""A program that is told to end does so in seconds, with one line and the exit code of the signal."""

import signal
import subprocess
import sys

import pytest

WORKS = """
import signal, sys, time
from qatflow import stopping
{before}
{work}
"""
STOPPABLE = """
def say():
    print("Stopped. What is finished is kept.", flush=True)

with stopping.stoppable(say):
    print("works", flush=True)
    {block}
"""
TIDIES_FOR_EVER = """try:
        time.sleep(60)
    finally:
        while True:
            time.sleep(60)"""


def _told(code: str, number: int) -> tuple[int, str, str]:
    """Run a program, send it a signal once it works, and return exit code and what it said after that."""
    words = [sys.executable, "-c", code]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "works\n"
        process.send_signal(number)
        said, errors = process.communicate(timeout=30)
    return process.returncode, said, errors


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_one_line_and_the_exit_code_of_the_signal(number: int) -> None:
    code = WORKS.format(before="", work=STOPPABLE.format(block="time.sleep(60)"))

    assert _told(code, number) == (128 + number, "Stopped. What is finished is kept.\n", "")


def test_what_never_ends_tidying_up_is_ended() -> None:
    code = WORKS.format(before="stopping.GRACE_S = 0.2", work=STOPPABLE.format(block=TIDIES_FOR_EVER))

    assert _told(code, signal.SIGTERM) == (143, "Stopped. What is finished is kept.\n", "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_before_anything_is_begun_it_ends_at_once(number: int) -> None:
    code = WORKS.format(before="stopping.at_once()", work="print('works', flush=True); time.sleep(60)")

    assert _told(code, number) == (128 + number, "", "Stopped.\n")


def test_what_whoever_started_us_wants_ignored_stays_ignored() -> None:
    ignored = "signal.signal(signal.SIGHUP, signal.SIG_IGN); signal.signal(signal.SIGUSR1, lambda *_: sys.exit(7))"
    block = "signal.raise_signal(signal.SIGHUP); time.sleep(60)"
    code = WORKS.format(before=ignored, work=STOPPABLE.format(block=block))

    assert _told(code, signal.SIGUSR1) == (7, "", "")


def test_a_process_ends_with_the_one_that_it_was_tied_to() -> None:
    code = WORKS.format(
        before="", work="stopping.end_with(int(sys.argv[1])); print('works', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        words = [sys.executable, "-c", code, str(other.pid)]
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "works\n"
            assert process.poll() is None
            other.kill()
            assert process.wait(30) == -signal.SIGKILL
