"""Memory does not grow with the data: measured in a process of its own."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

MEASURE = """
import resource, sys
from pathlib import Path
from qatflow.artifacts import stage_output
from qatflow.data.prepare import prepare_data
from qatflow.data.prepared import open_prepared
from qatflow.params.data import DataParams

source, path, out = sys.argv[1], sys.argv[2], Path(sys.argv[3])
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
private = lambda: 1024 * next(int(row.split()[1]) for row in open("/proc/self/status") if row.startswith("RssAnon"))
prepare_data(DataParams(), "auto", 0, out / "warm")
before = peak()
with stage_output(out / "prepared", "prepare") as stage:
    prepare_data(DataParams(source=source, path=path), "auto", 0, stage)
print(peak() - before)

train = open_prepared(out / "prepared").train
before, most = private(), 0
for number, _ in enumerate(train.batches(256, seed=1)):
    most = max(most, private()) if number % 50 == 0 else most
print(most - before)
"""


def _growth(source: str, path: Path, out: Path) -> tuple[int, int]:
    command = [sys.executable, "-c", MEASURE, source, str(path), str(out)]
    answer = subprocess.run(command, check=True, capture_output=True, text=True, timeout=280)
    prepare_bytes, train_bytes = map(int, answer.stdout.split())
    return prepare_bytes, train_bytes


def _write_arrays(path: Path, rows: int, features: int) -> None:
    rng = np.random.default_rng(0)
    np.savez(path, x=rng.random((rows, features), np.float32), y=np.arange(rows) % 10)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.slow
def test_memory_is_flat_for_larger_samples(tmp_path: Path) -> None:
    _write_arrays(tmp_path / "data.npz", 10_000, 2500)
    size = (tmp_path / "data.npz").stat().st_size
    prepare_bytes, train_bytes = _growth("arrays", tmp_path / "data.npz", tmp_path)

    assert size > 100_000_000
    assert prepare_bytes < 0.6 * size
    assert train_bytes < 0.2 * size


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("source", ["arrays", "csv"])
def test_memory_is_flat_at_a_million_rows(source: str, tmp_path: Path) -> None:
    rows = 1_000_000
    path = tmp_path / f"data.{source}"
    if source == "arrays":
        _write_arrays(path.with_suffix(".npz"), rows, 64)
        path = path.with_suffix(".npz")
    else:
        with path.open("w") as file:
            file.write("a,b,c,label\n")
            file.writelines(f"{number * 0.37:.4f},{number % 991},{-number},{number % 7}\n" for number in range(rows))
    prepare_bytes, train_bytes = _growth(source, path, tmp_path)

    assert prepare_bytes < 100 * rows
    assert train_bytes < 30_000_000
