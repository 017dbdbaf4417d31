"""Deployment to a folder: versions side by side, one pointer."""

import os
from pathlib import Path

import pytest

from qatflow.deploy.local import current, deploy_local, point_to
from qatflow.errors import ArtifactError, DeployError
from qatflow.release.bundle import load_bundle
from tests.faults.model_files import relisted
from tests.unit.release.fabricate import bundle, flatbuffer


@pytest.fixture
def first(tmp_path: Path) -> Path:
    return bundle(tmp_path / "first")


@pytest.fixture
def second(tmp_path: Path) -> Path:
    return bundle(tmp_path / "second", flatbuffer("int4"))


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "deployed"


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_current_points_to_a_copy_named_by_its_digest(first: Path, place: Path):
    receipt = deploy_local(first, place)

    sha256 = load_bundle(first).sha256
    assert receipt == {"target": "local", "model_sha256": sha256, "version": f"versions/{sha256[:16]}"}
    assert contents(current(place)) == contents(first)
    assert (place / "current").readlink() == Path("versions") / sha256[:16]


def test_the_pointer_is_relative_so_that_the_folder_can_move(first: Path, place: Path, tmp_path: Path):
    deploy_local(first, place)
    place.rename(tmp_path / "moved")

    assert contents(current(tmp_path / "moved")) == contents(first)


def test_a_second_model_leaves_the_first_in_place(first: Path, second: Path, place: Path):
    deploy_local(first, place)
    before = current(place)

    deploy_local(second, place)

    assert contents(current(place)) == contents(second)
    assert contents(before) == contents(first)


def test_the_same_model_again_changes_nothing(first: Path, place: Path):
    deploy_local(first, place)
    stamp = {path: path.lstat().st_mtime_ns for path in place.rglob("*") if path.name != ".lock"}

    deploy_local(first, place)

    assert {path: path.lstat().st_mtime_ns for path in place.rglob("*") if path.name != ".lock"} == stamp


def test_point_to_goes_back_byte_for_byte(first: Path, second: Path, place: Path):
    deploy_local(first, place)
    deploy_local(second, place)

    back = point_to(place, load_bundle(first).sha256)

    assert current(place) == back.resolve()
    assert contents(back) == contents(first)


def test_point_to_what_was_never_deployed_is_refused(first: Path, place: Path):
    deploy_local(first, place)

    with pytest.raises(DeployError, match=r"model 000000000000… was never deployed"):
        point_to(place, "0" * 64)
    assert contents(current(place)) == contents(first)


def test_a_deployed_bundle_that_was_altered_is_not_pointed_to(first: Path, second: Path, place: Path):
    deploy_local(first, place)
    altered = current(place)
    deploy_local(second, place)
    (altered / "model.tflite").write_bytes(b"x")

    for again in (lambda: point_to(place, load_bundle(first).sha256), lambda: deploy_local(first, place)):
        with pytest.raises(ArtifactError, match=r"model\.tflite was altered"):
            again()
    assert contents(current(place)) == contents(second)


def test_another_model_under_the_same_short_digest_is_refused(first: Path, second: Path, place: Path):
    deploy_local(first, place)
    current(place).rename(place / "versions" / load_bundle(second).sha256[:16])

    with pytest.raises(DeployError, match="remove it and deploy again"):
        deploy_local(second, place)


def test_a_bundle_that_does_not_run_is_not_deployed(
    first: Path, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    deploy_local(first, place)
    broken = bundle(tmp_path / "broken", flatbuffer("int8", padding=4))
    spoiled = tmp_path / "runtime.py"
    spoiled.write_text("raise RuntimeError('illegal instruction')")

    monkeypatch.setattr("qatflow.release.golden.bundle_runtime.__file__", str(spoiled))

    with pytest.raises(DeployError, match="RuntimeError: illegal instruction"):
        deploy_local(broken, place)
    assert contents(current(place)) == contents(first)
    assert len(list((place / "versions").iterdir())) == 1


def test_what_a_killed_deployment_left_is_swept_away(first: Path, place: Path):
    leftover = place / "versions" / ".0123456789abcdef.tmp"
    leftover.mkdir(parents=True)
    (leftover / "model.tflite").write_bytes(b"half")
    (place / ".current.tmp").symlink_to("versions/nowhere")

    deploy_local(first, place)

    assert [path.name for path in (place / "versions").iterdir()] == [load_bundle(first).sha256[:16]]
    assert sorted(path.name for path in place.iterdir()) == [".lock", "current", "versions"]


def test_nothing_deployed_is_said_so(place: Path):
    with pytest.raises(DeployError, match=r"Nothing is deployed at .*deployed"):
        current(place)


def test_a_place_that_cannot_be_a_folder_is_named(first: Path, tmp_path: Path):
    (tmp_path / "file").touch()

    with pytest.raises(DeployError, match=r"Cannot deploy to .*file"):
        deploy_local(first, tmp_path / "file")


def test_every_file_and_folder_is_made_durable_before_the_pointer_moves(
    first: Path, place: Path, monkeypatch: pytest.MonkeyPatch
):
    before: list[str] = []
    after: list[str] = []
    real = os.fsync

    def record(descriptor: int) -> None:
        synced = after if (place / "current").is_symlink() else before
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        real(descriptor)

    monkeypatch.setattr(os, "fsync", record)
    deploy_local(first, place)

    short = load_bundle(first).sha256[:16]
    written = [name for name in before if not name.startswith((f".{short}", "versions"))]
    assert sorted(name.rsplit(".", 2)[0] for name in written) == [
        ".MODEL_CARD.md",
        ".golden.npz",
        ".manifest.json",
        ".model.tflite",
        ".reference.npz",
    ]
    assert before[-2:] == [f".{short}.tmp", "versions"]
    assert after == ["deployed"]


def test_the_same_flatbuffer_with_other_labels_is_not_taken_for_the_deployed_one(
    first: Path, place: Path, tmp_path: Path
):
    deploy_local(first, place)
    other = relisted(first, tmp_path / "other", labels=[f"class {name}" for name in range(10)])

    with pytest.raises(DeployError, match="holds it with other labels, columns or units"):
        deploy_local(other, place)

    assert contents(current(place)) == contents(first)
