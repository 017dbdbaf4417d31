"""What every deploy target must do, whichever it is."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from qatflow.adapters.targets import TARGETS
from qatflow.deploy.base import Place
from qatflow.errors import ArtifactError, ParamsError, lookup
from qatflow.params.deploy import DeployParams
from qatflow.release.bundle import load_bundle
from tests.unit.deploy.server import serving
from tests.unit.release.fabricate import bundle, flatbuffer

each_target = pytest.mark.parametrize("name", TARGETS)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """A place that every target finds what it needs in: a folder, and a server over that folder."""
    with serving(tmp_path / "place") as server:
        monkeypatch.setenv("QATFLOW_TOKEN", server.token)
        yield Place(tmp_path / "place", "digits", DeployParams(url=server.url))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@each_target
def test_the_receipt_names_target_and_model_and_repeats_itself(name: str, place: Place, tmp_path: Path):
    made = bundle(tmp_path)

    receipts = [TARGETS[name](made, place) for _ in range(2)]

    assert receipts[0] == receipts[1]
    assert (receipts[0]["target"], receipts[0]["model_sha256"]) == (name, load_bundle(made).sha256)
    assert json.loads(json.dumps(receipts[0])) == receipts[0]


@each_target
def test_the_bundle_given_is_not_touched(name: str, place: Place, tmp_path: Path):
    made = bundle(tmp_path)
    before = contents(made)

    TARGETS[name](made, place)

    assert contents(made) == before


@each_target
def test_a_repeat_changes_nothing(name: str, place: Place, tmp_path: Path):
    made = bundle(tmp_path)
    TARGETS[name](made, place)
    before = contents(place.path)

    TARGETS[name](made, place)

    assert contents(place.path) == before


@each_target
def test_an_altered_bundle_changes_nothing(name: str, place: Place, tmp_path: Path):
    TARGETS[name](bundle(tmp_path), place)
    before = contents(place.path)
    altered = bundle(tmp_path / "altered", flatbuffer("int4"))
    (altered / "model.tflite").write_bytes(flatbuffer("int4")[:-1] + b"!")

    with pytest.raises(ArtifactError, match=r"model\.tflite was altered"):
        TARGETS[name](altered, place)

    assert contents(place.path) == before


def test_an_unknown_target_names_the_known_ones():
    with pytest.raises(ParamsError, match=r"Unknown deploy target 'locl'\. Known: .*\. Did you mean 'local'\?"):
        lookup("deploy target", "locl", TARGETS)
