import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from qatflow.errors import ConversionError
from qatflow.evaluation import memory_probe
from qatflow.evaluation.memory import peak_memory

MIB = 1 << 20


def test_the_callers_own_memory_does_not_count(golden):
    ballast = np.ones(64 * MIB // 8)

    sizes = peak_memory([golden["int8"], golden["float32"]])

    assert ballast.nbytes == 64 * MIB
    assert all(MIB // 4 < size < 32 * MIB for size in sizes)


def test_a_bigger_file_needs_more(golden):
    small, padded = peak_memory([golden["int8"], golden["int8"] + b"\0" * (16 * MIB)])

    assert 15 * MIB < padded - small < 20 * MIB


def test_a_process_that_is_killed():
    work = "import memory_probe, os, signal; memory_probe.peak(lambda: os.kill(os.getpid(), signal.SIGSEGV))"

    process = subprocess.run(
        [sys.executable, "-c", work],
        cwd=Path(memory_probe.__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )

    assert process.returncode == 1
    assert process.stderr.splitlines()[-1] == "killed by SIGSEGV"


def test_a_model_that_does_not_load(golden):
    with pytest.raises(ConversionError, match="in a fresh process: ValueError: The model is not a valid"):
        peak_memory([golden["int8"][:2000]])
