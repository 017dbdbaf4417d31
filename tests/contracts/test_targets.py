"""What every deploy target must do, whichever it is."""

import json
from pathlib import Path

import pytest

from qatflow.deploy import TARGETS
from qatflow.errors import ArtifactError, ParamsError, lookup
from qatflow.release.bundle import load_bundle
from tests.unit.release.fabricate import bundle, flatbuffer

each_target = pytest.mark.parametrize("name", TARGETS)


@each_target
def test_the_receipt_names_target_and_model_and_repeats_itself(name: str, tmp_path: Path):
    made = bundle(tmp_path)

    receipts = [TARGETS[name](made, tmp_path / "place") for _ in range(2)]

    assert receipts[0] == receipts[1]
    assert (receipts[0]["target"], receipts[0]["model_sha256"]) == (name, load_bundle(made).sha256)
    assert json.loads(json.dumps(receipts[0])) == receipts[0]


@each_target
def test_the_bundle_given_is_not_touched(name: str, tmp_path: Path):
    made = bundle(tmp_path)
    before = {path.name: path.read_bytes() for path in made.iterdir()}

    TARGETS[name](made, tmp_path / "place")

    assert {path.name: path.read_bytes() for path in made.iterdir()} == before


@each_target
def test_an_altered_bundle_changes_nothing(name: str, tmp_path: Path):
    TARGETS[name](bundle(tmp_path), tmp_path / "place")
    before = sorted(str(path) for path in (tmp_path / "place").rglob("*"))
    altered = bundle(tmp_path / "altered", flatbuffer("int4"))
    (altered / "model.tflite").write_bytes(flatbuffer("int4")[:-1] + b"!")

    with pytest.raises(ArtifactError, match=r"model\.tflite was altered"):
        TARGETS[name](altered, tmp_path / "place")

    assert sorted(str(path) for path in (tmp_path / "place").rglob("*")) == before


def test_an_unknown_target_names_the_known_ones():
    with pytest.raises(ParamsError, match=r"Unknown deploy target 'locl'\. Known: local\. Did you mean 'local'\?"):
        lookup("deploy target", "locl", TARGETS)
