import json
import shutil

import numpy as np
import pytest

from qatflow import artifacts, params_file
from qatflow.errors import ArtifactError
from qatflow.evaluation.metrics import correct
from qatflow.report.build import build_report
from qatflow.report.compare.read import read_side
from qatflow.tflite.runtime import Runner
from tests.unit.release.fabricate import digits, flatbuffer

PARAMS = {"quantize": {"variants": ["ptq_w8a8", "qat_w8a8_per_channel", "qat_w4a8"]}}


@pytest.fixture(scope="module")
def root(build_run):
    """A fabricated project with its params.yaml and report."""
    fake = build_run()
    (fake.root / "params.yaml").write_text(json.dumps(PARAMS))
    (fake.root / "report").mkdir()
    build_report(fake.root, fake.params, fake.root / "report")
    return fake.root


def test_a_bundle_is_known_by_its_manifest(sides):
    one = sides[0]
    assert (one.kind, one.task, one.model.name, len(one.classes)) == ("bundle", "classification", "ptq_w8a8", 10)
    assert one.model.flatbuffer == flatbuffer("int8")
    low, high = one.model.interval
    assert low < one.model.score < high
    assert one.model.correct is None
    assert one.lineage["git_commit"] == "9f1c2e7"


def test_near_its_data_a_bundle_is_measured_on_them(measured):
    x, y = digits().test.arrays()
    for side, name in zip(measured, ("int8", "int4"), strict=True):
        assert np.array_equal(side.model.correct, correct("classification", y, Runner(flatbuffer(name)).predict(x)))
        assert list(side.model.recalls) == list(digits().class_names)


def test_a_project_of_other_data_lends_none(bundles, build_run):
    assert read_side(bundles["ptq_w8a8"], build_run().root).model.correct is None


def test_a_run_is_known_with_all_its_variants_and_parameters(root):
    side = read_side(root, root)
    assert (side.kind, side.model.name, list(side.models)) == ("run", "qat_w8a8_per_channel", [*side.models])
    assert list(side.models) == PARAMS["quantize"]["variants"]
    assert side.params["quantize.training.epochs"] == str(
        params_file.load(root / "params.yaml").quantize.training.epochs
    )
    assert len(side.model.correct) == 360
    assert side.lineage["artifacts/prepare"] == artifacts.sha256_file(root / "artifacts/prepare/manifest.json")


@pytest.mark.parametrize("name", ["report", "report/summary.json"])
def test_a_report_is_known_by_its_summary(root, name):
    side, run = read_side(root / name, root), read_side(root, root)
    assert (side.kind, side.model.name, side.classes) == ("report", run.model.name, run.classes)
    assert (side.model.score, side.model.interval) == (run.model.score, run.model.interval)
    assert side.model.flatbuffer is None
    assert side.lineage.keys() == run.lineage.keys()


def test_what_is_none_of_them_is_refused(tmp_path):
    with pytest.raises(ArtifactError, match="expected a bundle's folder, a project with artifacts/"):
        read_side(tmp_path, tmp_path)


@pytest.mark.parametrize("name", ["model.tflite", "manifest.json", "MODEL_CARD.md"])
def test_a_damaged_bundle_is_refused(bundles, tmp_path, name):
    shutil.copytree(bundles["ptq_w8a8"], tmp_path / "bundle")
    file = tmp_path / "bundle" / name
    file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(ArtifactError, match=name):
        read_side(tmp_path / "bundle", tmp_path)


def test_a_damaged_run_is_refused(build_run, tmp_path):
    fake = build_run()
    (fake.root / "params.yaml").write_text(json.dumps(PARAMS))
    (fake.root / "artifacts" / "evaluate" / "qat_w4a8" / "outputs.npy").write_bytes(b"")
    with pytest.raises(ArtifactError, match=r"outputs\.npy was altered"):
        read_side(fake.root, tmp_path)


@pytest.mark.parametrize("content", ["[]", "{}", '{"variants": {"a": 3}}', "no JSON"])
def test_a_summary_of_another_form_is_refused(tmp_path, content):
    (tmp_path / "summary.json").write_text(content)
    with pytest.raises(ArtifactError, match=r"summary\.json"):
        read_side(tmp_path, tmp_path)
