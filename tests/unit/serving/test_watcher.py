"""Swaps of real bundles in a real deploy root, each tried in a process of its own."""

import asyncio
import json

import pytest

from qatflow.deploy.local import deploy_local, point_to
from qatflow.deploy.rollout import RETREATED, ROLLOUT, challenge, end_challenge, set_name
from qatflow.errors import DeployError
from qatflow.params.serving import CanaryParams
from qatflow.serving.inference import Models
from qatflow.serving.loader import Loader
from qatflow.serving.meter import Meter
from qatflow.serving.watcher import Watcher
from tests.unit.release import fabricate


class Followed:
    """A deploy root that is followed."""

    def __init__(self, root, bundle) -> None:
        self.root, self.load, self.swapped = root, Loader(root), []
        deploy_local(bundle, root)
        self.models, self.meter = Models(self.load(root / "current")), Meter()
        self.watcher = Watcher(root, self.models, self.meter, CanaryParams(), self.load, self.swapped.append)

    def look(self):
        asyncio.run(self.watcher.look())
        return self.models.champion.sha256


@pytest.fixture
def followed(tmp_path, bundle):
    return Followed(tmp_path / "root", bundle)


@pytest.mark.slow
def test_a_new_pointer_is_followed_and_taken_back(followed, bundle, other):
    first = followed.look()
    second = deploy_local(other, followed.root)["model_sha256"]
    assert followed.look() == second != first
    point_to(followed.root, first)
    assert followed.look() == first
    assert [model.sha256 for model in followed.swapped] == [second, first]
    assert followed.meter.swaps == {"swapped": 2}
    assert followed.meter.model["sha256"] == first


@pytest.mark.slow
def test_the_registrys_name_is_the_version(followed, other):
    sha256 = json.loads((other / "manifest.json").read_text())["files"]["model.tflite"]["sha256"]
    set_name(followed.root, sha256, "17")
    deploy_local(other, followed.root)
    followed.look()
    assert followed.models.champion.version == "17"


def altered(root, sha256):
    path = root / "versions" / sha256[:16] / "model.tflite"
    path.write_bytes(path.read_bytes()[:-1] + b"x")


@pytest.mark.slow
def test_what_was_altered_behind_the_pointer_takes_no_traffic(followed, bundle, other):
    first = followed.look()
    second = deploy_local(other, followed.root)["model_sha256"]
    altered(followed.root, second)
    assert followed.look() == first
    assert "was altered" in followed.watcher.refused
    assert followed.look() == first
    assert followed.meter.swaps == {"refused": 1}


@pytest.mark.slow
def test_another_signature_takes_no_traffic(followed, tmp_path):
    first = followed.look()
    data = fabricate.digits()
    fewer = fabricate.bundle(tmp_path / "x")
    manifest = json.loads((fewer / "manifest.json").read_text())
    manifest["labels"] = [f"class {label}" for label in data.class_names]
    (fewer / "manifest.json").write_text(json.dumps(manifest))
    version = followed.root / "versions" / ("f" * 16)
    fewer.rename(version)
    pointer = followed.root / "aside"
    pointer.symlink_to("versions/" + version.name)
    pointer.replace(followed.root / "current")
    assert followed.look() == first
    assert "labels" in followed.watcher.refused


@pytest.mark.slow
def test_a_challenger_comes_goes_and_its_retreat_is_noted(followed, other):
    followed.look()
    assert followed.models.trial is None
    challenge(followed.root, other, "canary", 0.5)
    followed.look()
    trial = followed.models.trial
    assert (trial.mode, trial.share) == ("canary", 0.5)
    challenge(followed.root, other, "shadow", 0.5)
    followed.look()
    assert followed.models.trial is trial
    assert trial.mode == "shadow"
    trial.reasons.append("a reason")
    followed.look()
    assert json.loads((followed.root / RETREATED).read_text())["reasons"] == ["a reason"]
    again = Watcher(followed.root, followed.models, followed.meter, CanaryParams(), followed.load, print)
    followed.models.trial = None
    asyncio.run(again.look())
    assert followed.models.trial is None
    assert "a reason" in again.refused
    end_challenge(followed.root)
    followed.look()
    assert followed.models.trial is None


@pytest.mark.slow
def test_a_promoted_challenger_is_no_challenger_any_more(followed, other):
    challenge(followed.root, other, "canary", 0.5)
    followed.look()
    deploy_local(other, followed.root)
    followed.look()
    assert followed.models.trial is None
    assert followed.models.champion.sha256 == followed.swapped[0].sha256


@pytest.mark.parametrize("content", ["", "{", "[]", '{"challenger": "../x", "mode": "canary", "share": 1}', "\0" * 9])
@pytest.mark.slow
def test_a_broken_rollout_changes_nothing(followed, content):
    first = followed.look()
    (followed.root / ROLLOUT).write_text(content)
    assert followed.look() == first
    assert followed.watcher.refused


@pytest.mark.slow
def test_a_bundle_that_does_not_repeat_its_golden_outputs_is_refused(tmp_path, bundle):
    broken = fabricate.bundle(tmp_path / "int4", fabricate.flatbuffer("int4"))
    golden = (bundle / "golden.npz").read_bytes()
    manifest = json.loads((broken / "manifest.json").read_text())
    manifest["files"]["golden.npz"] = json.loads((bundle / "manifest.json").read_text())["files"]["golden.npz"]
    (broken / "golden.npz").write_bytes(golden)
    (broken / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(DeployError, match="LSB"):
        Loader()(broken)


def test_a_device_that_is_not_there_is_not_replaced_by_another(bundle, monkeypatch):
    monkeypatch.setenv("QATFLOW_GPU_DELEGATE", "none.so")
    with pytest.raises(DeployError, match="no GPU delegate"):
        Loader(device="gpu")(bundle)
