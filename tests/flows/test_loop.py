"""The loop's flows on a real project: drift is recorded, a retraining asked for, done on the window, and released."""

import shutil
import sys
from dataclasses import replace

import numpy as np
import pytest

from qatflow import params_file
from qatflow.artifacts import read_json
from qatflow.monitoring.recorder import Recorder
from qatflow.monitoring.reference import load_reference
from qatflow.params.monitoring import MonitoringParams
from qatflow.release.bundle import load_bundle
from qatflow.release.log import PromotionLog
from tests.flows.project import DATA, NO_GATES, Project

BOTH = """
from flows.monitor import monitor
from flows.renew import renew
why = monitor()
print(why, monitor(), renew(why), sep="\\n")
"""
pytestmark = [pytest.mark.slow, pytest.mark.flow]


@pytest.fixture(scope="module")
def drifted(trained: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return a copy of the trained project whose server has seen digits that are turned, and got their labels."""
    root = tmp_path_factory.mktemp("loop") / "project"
    shutil.copytree(trained.root, root, symlinks=True)
    project = replace(trained, root=root)
    project.set(
        {
            "monitoring.retrain_labels": 150,
            "quantize.variants": ["ptq_w8a8"],
            "release.gates": NO_GATES,
        }
    )
    made = (root / "deployed/current").resolve()
    with np.load(root / DATA) as data:
        x, y = np.rot90(data["x"][:200], axes=(1, 2)).copy(), data["y"][:200]
    loaded = load_bundle(made)
    recorder = Recorder(root / "monitoring", load_reference(made / "reference.npz"), MonitoringParams())
    scores = loaded.predict(x)["scores"]
    for i in range(200):
        recorder.record(x[i : i + 1], scores[i : i + 1], model_sha256=loaded.sha256, request_id=f"r{i}", latency_s=1e-4)
    assert recorder.feedback((f"r{i}", int(y[i])) for i in range(200))["accepted"] == 200
    recorder.close()
    return project


@pytest.mark.timeout(600)
def test_drift_asks_once_and_the_window_is_learned_with_its_lineage(drifted: Project) -> None:
    root = drifted.root
    before = load_bundle((root / "deployed/current").resolve())

    done = drifted.command(sys.executable, "-c", BOTH, PREFECT_API_URL=drifted.prefect_api)

    assert done.returncode == 0, done.stdout + done.stderr
    reason, again, outcome = done.stdout.strip().splitlines()[-3:]
    assert reason.startswith("drift of psi")
    assert again.startswith("drift, but 200 of the 350 labels that it takes after the last retraining")
    assert outcome == "done; no canary asked for (release.canary)"
    assert read_json(root / "monitoring/report.json")["drifted"] is True
    assert read_json(root / "monitoring/asked.json")["labels"] == 200
    entry = PromotionLog(root, params_file.load(root / "params.yaml").release.name).read()[-1]
    assert (entry.action, entry.version) == ("promote", 2)
    assert entry.why.startswith(f"{reason}; data ")
    data = params_file.load(root / "params.yaml").data
    assert data.path.startswith("monitoring/windows/window-")
    card = read_json(root / "artifacts/prepare/data_card.json")
    assert sum(card["samples"].values()) > 600
    after = load_bundle((root / "deployed/current").resolve())
    assert after.sha256 == entry.model_sha256 != before.sha256
    assert after.manifest.lineage.data_sha256 == card["sha256"]


def test_nothing_to_learn_from_changes_nothing(drifted: Project) -> None:
    before = (drifted.root / "params.yaml").read_bytes()
    renewed = drifted.command(
        sys.executable,
        "-c",
        "from flows import ROOT; from qatflow.pipeline.renew import extend; extend.fn(ROOT)",
    )

    assert renewed.returncode == 1
    assert "no labelled record of model" in renewed.stderr
    assert (drifted.root / "params.yaml").read_bytes() == before
