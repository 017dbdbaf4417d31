"""The clean process: what it reports of good, wrong and deadly bundles."""

from pathlib import Path

import pytest

from qatflow.release import golden
from qatflow.release.base import GoldenCheck
from qatflow.release.golden import check_golden
from tests.unit.release.fabricate import bundle, flatbuffer


def test_a_good_bundle_repeats_its_outputs(tmp_path: Path):
    assert check_golden(bundle(tmp_path)) == GoldenCheck(0.0)


def test_the_last_line_of_the_error_is_the_reason(tmp_path: Path):
    made = bundle(tmp_path)
    (made / "model.tflite").write_bytes(flatbuffer("int4"))

    check = check_golden(made)

    assert check.max_lsb is None
    assert check.error.startswith("ValueError: ")


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import os; os.kill(os.getpid(), 11)", "it was killed by SIGSEGV"),
        ("import time; time.sleep(60)", "no answer within 1 s"),
        ("raise SystemExit(3)", "exit code 3"),
    ],
)
def test_a_process_that_dies_or_hangs_is_a_refusal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, reason: str
):
    script = tmp_path / "deadly.py"
    script.write_text(code)
    monkeypatch.setattr(golden.bundle_runtime, "__file__", str(script))
    monkeypatch.setattr(golden, "TIMEOUT_S", 1.0)

    assert check_golden(tmp_path) == GoldenCheck(None, reason)
