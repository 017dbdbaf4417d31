"""Tries a bundle in a clean process, which may crash without harm. A loader that accepts a model proves little."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

from qatflow.release import bundle_runtime
from qatflow.release.base import GoldenCheck

TIMEOUT_S = 120.0


def check_golden(bundle: Path) -> GoldenCheck:
    """Run the golden inputs in a process that has only ai-edge-litert and NumPy, and compare the outputs."""
    command = [sys.executable, "-I", bundle_runtime.__file__, str(bundle.absolute())]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired:
        return GoldenCheck(None, f"no answer within {TIMEOUT_S:.0f} s")
    if done.returncode:
        return GoldenCheck(None, _why(done))
    return GoldenCheck(float(json.loads(done.stdout)["max_lsb"]))


def _why(done: subprocess.CompletedProcess[str]) -> str:
    if done.returncode < 0:
        return f"it was killed by {signal.Signals(-done.returncode).name}"
    lines = done.stderr.strip().splitlines()
    named = [number for number, line in enumerate(lines) if re.match(r"[A-Za-z.]*(Error|Exception)\b", line)]
    return " ".join(lines[named[-1] if named else -1 :])[:300] or f"exit code {done.returncode}"
