"""Faults of model files: each is refused with a named error, and what was deployed stays in use."""

import os
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from benchmarks.mutations import measure
from qatflow import artifacts
from qatflow.deploy.archive import pack, unpack
from qatflow.deploy.local import current, deploy_local
from qatflow.errors import ArtifactError, DeployError, QATFlowError
from qatflow.release.bundle import load_bundle
from qatflow.release.bundle_runtime import BundleRunner
from tests.faults.model_files import copied, relisted, rewritten, with_custom_operator, with_input
from tests.unit.deploy.test_signing import KEY, OTHER
from tests.unit.release.fabricate import bundle, digits, flatbuffer

pytestmark = [pytest.mark.fault, pytest.mark.slow]
FLIPS = 1500


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a bundle `good/bundle`, and `place`, to which another model is deployed."""
    folder = tmp_path_factory.mktemp("home")
    bundle(folder / "good")
    deploy_local(bundle(folder / "old", flatbuffer("int4")), folder / "place")
    return folder


@pytest.fixture(autouse=True)
def what_is_deployed_stays(home: Path):
    """Around every test here: pointer and files of the deployed model are the same before and after."""
    before = deployed(home)
    yield
    assert deployed(home) == before
    assert load_bundle(current(home / "place")).model == flatbuffer("int4")


def deployed(home: Path) -> tuple[Path, dict[Path, bytes]]:
    return current(home / "place"), {path: path.read_bytes() for path in (home / "place").rglob("[a-zA-Z]*.*")}


def damaged(home: Path, tmp_path: Path, content: bytes) -> None:
    """Check that a flatbuffer with other bytes than released is refused by its digest."""
    path = tmp_path / "damaged"
    if not path.exists():
        copied(home / "good" / "bundle", path)
    (path / "model.tflite").write_bytes(content)
    with pytest.raises(ArtifactError, match=r"model\.tflite was altered"):
        load_bundle(path)


def refused(home: Path, made: Path, message: str) -> None:
    """Check that deploying is refused though every digest is right."""
    with pytest.raises(QATFlowError, match=message) as caught:
        deploy_local(made, home / "place")
    assert type(caught.value) in {ArtifactError, DeployError}


def test_truncated_at_every_percent(home: Path, tmp_path: Path):
    model = flatbuffer("int8")
    for percent in range(100):
        damaged(home, tmp_path, model[: len(model) * percent // 100])


def test_one_bit_flipped(home: Path, tmp_path: Path):
    model = flatbuffer("int8")
    for bit in np.random.default_rng(0).choice(8 * len(model), FLIPS, replace=False):
        flipped = bytearray(model)
        flipped[bit // 8] ^= 1 << bit % 8
        damaged(home, tmp_path, bytes(flipped))


@pytest.mark.parametrize("percent", range(0, 100, 20))
def test_truncated_and_the_manifest_corrected(home: Path, tmp_path: Path, percent: int):
    model = flatbuffer("int8")
    cut = model[: len(model) * percent // 100]

    refused(home, relisted(home / "good" / "bundle", tmp_path / "made", cut), "not fit for use here")


NO_MODELS = {
    "eight bytes": b"\x18\0\0\0TFL3",
    "empty": b"",
    "zeros": bytes(5000),
    "other magic": b"\x18\0\0\0TFL4" + bytes(1000),
    "a pickle": b"\x80\x04cos\nsystem\n(S'false'\ntR.",
    "an HDF5 file": b"\x89HDF\r\n\x1a\n" + bytes(500),
}


@pytest.mark.parametrize("content", NO_MODELS.values(), ids=NO_MODELS)
def test_what_is_no_flatbuffer(home: Path, tmp_path: Path, content: bytes):
    damaged(home, tmp_path, content)
    refused(home, relisted(home / "good" / "bundle", tmp_path / "made", content), "not fit for use here")


STRANGE = {
    "float where int8 is promised": (lambda: flatbuffer("float32"), r"input is \[\('float32'"),
    "wrong input shape": (lambda: flatbuffer("regressor"), r"input is \[\('int8', \(64,\)"),
    "wrong output": (lambda: flatbuffer("autoencoder"), "not fit for use here"),
    "custom operator": (
        lambda: rewritten(flatbuffer("int8"), with_custom_operator(b"Mystery")),
        "unresolved custom op: Mystery",
    ),
    "flex operator": (
        lambda: rewritten(flatbuffer("int8"), with_custom_operator(b"FlexErf")),
        "not fit for use here",
    ),
    "scale 0": (lambda: rewritten(flatbuffer("int8"), with_input(scale=[0.0])), "not fit for use here"),
    "scale NaN": (lambda: rewritten(flatbuffer("int8"), with_input(scale=[float("nan")])), "not fit for use here"),
    "scale inf": (lambda: rewritten(flatbuffer("int8"), with_input(scale=[float("inf")])), "not fit for use here"),
    "zero point": (lambda: rewritten(flatbuffer("int8"), with_input(zeroPoint=[1000])), "not fit for use here"),
    "batch 0": (lambda: rewritten(flatbuffer("int8"), with_input(shape=[0, 8, 8, 1])), "not fit for use here"),
    "batch -1": (lambda: rewritten(flatbuffer("int8"), with_input(shape=[-1, 8, 8, 1])), "not fit for use here"),
    "2 billion": (lambda: rewritten(flatbuffer("int8"), with_input(shape=[1, 2**31 - 1, 8, 1])), "not fit for use"),
}


@pytest.mark.parametrize(("make", "message"), STRANGE.values(), ids=STRANGE)
def test_another_model_under_a_corrected_manifest(home: Path, tmp_path: Path, make, message: str):
    refused(home, relisted(home / "good" / "bundle", tmp_path / "made", make()), message)


TENSOR = {"name": "x", "shape": [8, 8, 1], "dtype": "int8", "scale": 0.1, "zero_point": 0}
MANIFESTS = {
    "scale 0": ({"input": TENSOR | {"scale": 0.0}}, "manifest.json is not right: input"),
    "scale NaN": ({"input": TENSOR | {"scale": None}}, "manifest.json is not right: input.scale"),
    "zero point": ({"input": TENSOR | {"zero_point": 128}}, "manifest.json is not right: input"),
    "another scale": ({"input": TENSOR}, "not fit for use here"),
    "zero batch": ({"input": TENSOR | {"shape": [0, 8, 1]}}, "manifest.json is not right: input.shape"),
    "fewer classes": ({"labels": ["0", "1"]}, "manifest.json is not right"),
    "no task": ({"task": "magic"}, "manifest.json is not right: task"),
    "one key more": ({"run": "rm -rf /"}, "manifest.json is not right: run"),
    "other schema": ({"schema_version": 2}, "manifest.json is not right: schema_version"),
}


@pytest.mark.parametrize(("fields", "message"), MANIFESTS.values(), ids=MANIFESTS)
def test_a_manifest_that_cannot_be(home: Path, tmp_path: Path, fields, message: str):
    refused(home, relisted(home / "good" / "bundle", tmp_path / "made", **fields), message)


def test_a_huge_file_is_not_even_read(home: Path, tmp_path: Path):
    made = copied(home / "good" / "bundle", tmp_path / "made")
    os.truncate(made / "model.tflite", 2**40)
    started = time.process_time()

    with pytest.raises(ArtifactError, match=r"model\.tflite was altered"):
        load_bundle(made)

    assert time.process_time() - started < 1


def test_a_manifest_that_claims_two_gigabytes(home: Path, tmp_path: Path):
    made = copied(home / "good" / "bundle", tmp_path / "made")
    os.truncate(made / "model.tflite", 2**31)
    manifest = artifacts.read_json(made / "manifest.json")
    manifest["files"]["model.tflite"]["size_bytes"] = 2**31
    artifacts.write_json(made / "manifest.json", manifest)

    refused(home, made, r"manifest\.json is not right: files\.model\.tflite\.size_bytes")


def test_a_manifest_of_megabytes(home: Path, tmp_path: Path):
    made = copied(home / "good" / "bundle", tmp_path / "made")
    os.truncate(made / "manifest.json", 2**30)

    refused(home, made, "missing, a link or too large")


def test_missing_unlisted_and_linked_files(home: Path, tmp_path: Path):
    good = home / "good" / "bundle"
    for name in [path.name for path in good.iterdir()]:
        made = copied(good, tmp_path / f"no-{name}")
        (made / name).unlink()
        refused(home, made, "is no whole bundle|is no bundle")
        (made / name).symlink_to(good / name)
        refused(home, made, "is a link|a link or too large")
    unlisted = copied(good, tmp_path / "unlisted")
    (unlisted / "run.sh").write_text("#!/bin/sh")
    refused(home, unlisted, r"run\.sh is missing or not listed")


def test_an_archive_that_nobody_or_another_signed(home: Path, tmp_path: Path):
    for key, message in ((None, "not signed"), (OTHER, "not trusted")):
        with pytest.raises(ArtifactError, match=message):
            unpack(pack(home / "good" / "bundle", key), tmp_path / "made", [KEY.public_key()])
    assert not (tmp_path / "made").exists()


def test_the_metadata_of_another_model(home: Path, tmp_path: Path):
    other = bundle(tmp_path / "other", flatbuffer("int4"))
    made = copied(home / "good" / "bundle", tmp_path / "made")
    (made / "manifest.json").write_bytes((other / "manifest.json").read_bytes())

    refused(home, made, r"was altered")
    refused(home, relisted(other, tmp_path / "relisted", flatbuffer("int8")), "golden outputs differ")


def test_truncation_in_place_while_it_serves(home: Path, tmp_path: Path):
    made = copied(home / "good" / "bundle", tmp_path / "made")
    runner = BundleRunner(made)
    x = digits().test.arrays(20)[0]
    expected = runner.raw(x)

    os.truncate(made / "model.tflite", 10)

    assert np.array_equal(runner.raw(x), expected)
    with pytest.raises(ArtifactError, match="was altered"):
        load_bundle(made)


def test_mutated_archives_and_bundles_are_all_refused_and_none_ends_the_process():
    found = sum(measure(count=40, seed=1).values(), Counter())

    assert found == {"refused": found.total()}
    assert found.total() > 700
