"""A deployed bundle and what its server recorded: the real int8 classifier on digits, upright and then turned."""

from pathlib import Path

import numpy as np

from qatflow.artifacts import Array
from qatflow.monitoring.recorder import Recorder
from qatflow.monitoring.reference import load_reference
from qatflow.params.monitoring import MonitoringParams
from qatflow.release.bundle import load_bundle
from tests.unit.release.fabricate import bundle, digits

PARAMS = MonitoringParams(window=100)


def served(folder: Path, *, turned: bool, labels: bool = False) -> tuple[Path, Path]:
    """Return the bundle and the folder of records: 100 digits as they are, then 100 as asked."""
    made = bundle(folder)
    x, y = digits().test.raw(np.arange(200)), digits().test.labels()[:200]
    if turned:
        x[100:] = np.rot90(x[100:], axes=(1, 2))
    answer_all(made, folder / "monitoring", x, y if labels else None)
    return made, folder / "monitoring"


def answer_all(made: Path, records: Path, x: Array, y: Array | None) -> None:
    """Answer and record samples in two groups, and give their labels, if there are any, after each."""
    loaded = load_bundle(made)
    recorder = Recorder(records, load_reference(made / "reference.npz"), PARAMS)
    scores = loaded.predict(x)["scores"]
    for part in (range(100), range(100, 200)):
        for i in part:
            name = {"model_sha256": loaded.sha256, "request_id": f"r{i}"}
            recorder.record(x[i : i + 1], scores[i : i + 1], latency_s=2e-4, **name)
        recorder.flush()
        if y is not None:
            recorder.feedback((f"r{i}", int(y[i])) for i in part)
    recorder.close()
