"""Results of `qatflow quantize` as bundles."""

import json
import os

import pytest

from qatflow.artifacts import load_arrays
from qatflow.errors import ArtifactError, ConversionError
from qatflow.release.base import GoldenCheck
from qatflow.release.bundle import load_bundle
from qatflow.release.golden import check_golden
from qatflow.release.quantized import check_place, save_bundle
from qatflow.search.options import Goal
from qatflow.search.result import SearchResult
from qatflow.search.trial import Trial
from tests.unit.release.fabricate import candidate, changed, digits, flatbuffer, timed

FILES = {"MODEL_CARD.md", "golden.npz", "manifest.json", "model.tflite", "reference.npz", "result.json"}


def result(model=None, **evaluation):
    one = timed(changed(candidate(), **evaluation), float_latency_us=dict.fromkeys(("p50", "p95", "p99"), 20.0))
    return SearchResult(
        chosen=Trial("ptq_w8a8", "measured", flatbuffer=flatbuffer("int8") if model is None else model),
        reason="the only one",
        metric="accuracy",
        trials=(),
        evaluation=one.evaluation,
        timings=one.timings,
        notes=("a note",),
        goal=Goal(),
        seconds=1.0,
        seed=42,
        data=digits(),
    )


def test_it_is_a_bundle_with_its_result_listed(tmp_path):
    out = save_bundle(result(), tmp_path / "new" / "bundle")

    loaded = load_bundle(out)
    facts = json.loads((out / "result.json").read_text())
    assert {path.name for path in out.iterdir()} == FILES == {*loaded.manifest.files, "manifest.json"}
    assert loaded.model == flatbuffer("int8")
    assert len(load_arrays(out / "golden.npz")["inputs"]) == 8
    assert check_golden(out) == GoldenCheck(0.0)
    assert (facts["strategy"], facts["tflite_accuracy"], facts["notes"]) == ("ptq_w8a8", candidate().score, ["a note"])
    assert "git commit" not in (out / "MODEL_CARD.md").read_text()
    assert [path.name for path in out.parent.iterdir()] == ["bundle"]


def test_a_score_that_is_no_auc_is_named(tmp_path):
    out = save_bundle(result(metric="reconstruction_r2"), tmp_path / "bundle")

    assert load_bundle(out).manifest.metric == "reconstruction_r2"
    assert "R² of the reconstruction" in (out / "MODEL_CARD.md").read_text()


def test_an_earlier_result_is_replaced_and_an_empty_folder_is_taken(tmp_path):
    (tmp_path / "bundle").mkdir()
    for seed in (1, 2):
        save_bundle(result(score=seed / 2), tmp_path / "bundle")

    assert load_bundle(tmp_path / "bundle").manifest.score == 1.0
    assert len(list(tmp_path.iterdir())) == 1


def test_a_failure_leaves_the_earlier_result_as_it_was(tmp_path):
    out = save_bundle(result(), tmp_path / "bundle")

    with pytest.raises(ConversionError):
        save_bundle(result(model=b"no model"), out)

    assert load_bundle(out).model == flatbuffer("int8")
    assert len(list(tmp_path.iterdir())) == 1


def keep(out):
    out.mkdir()
    (out / "thesis.txt").write_text("mine")


def alter(out):
    save_bundle(result(), out)
    (out / "model.tflite").write_bytes(b"altered")


@pytest.mark.parametrize("make", [keep, alter, lambda out: out.write_text("a file")])
def test_nothing_else_is_overwritten(tmp_path, make):
    out = tmp_path / "bundle"
    make(out)

    with pytest.raises(ArtifactError, match="no earlier result of `qatflow`"):
        check_place(out)
    with pytest.raises(ArtifactError):
        save_bundle(result(), out)
    assert out.exists()


def test_a_place_below_a_file_is_refused(tmp_path):
    (tmp_path / "file").touch()

    with pytest.raises(ArtifactError, match="no folder that can be written to"):
        check_place(tmp_path / "file" / "bundle")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_place_that_may_not_be_written_is_refused(tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(ArtifactError, match="cannot be made"):
            check_place(tmp_path / "bundle")
    finally:
        tmp_path.chmod(0o700)
