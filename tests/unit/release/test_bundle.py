"""A bundle is whole or refused."""

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qatflow import artifacts
from qatflow.errors import ArtifactError, DataError
from qatflow.release.base import GoldenCheck
from qatflow.release.bundle import build_bundle, load_bundle
from qatflow.release.golden import check_golden
from qatflow.tflite.runtime import Runner
from tests.unit.release.fabricate import bundle, candidate, changed, digits, flatbuffer, lineage

FILES = {"MODEL_CARD.md", "golden.npz", "manifest.json", "model.tflite", "reference.npz"}


@pytest.fixture
def made(tmp_path: Path) -> Path:
    return bundle(tmp_path)


def rewrite(made: Path, **fields: Any) -> None:
    path = made / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def test_it_holds_the_model_and_all_that_is_needed_to_run_it(made: Path):
    loaded = load_bundle(made)
    manifest = loaded.manifest

    assert {path.name for path in made.iterdir()} == FILES
    assert loaded.model == flatbuffer("int8")
    assert loaded.sha256 == artifacts.sha256_bytes(flatbuffer("int8"))
    assert (manifest.task, manifest.strategy, manifest.kernels) == ("classification", "ptq_w8a8", "xnnpack")
    assert manifest.labels == tuple("0123456789")
    assert (manifest.input.shape, manifest.input.dtype, manifest.input.zero_point) == ((8, 8, 1), "int8", -128)
    assert (manifest.output.shape, manifest.output.scale) == ((10,), 1 / 256)
    assert manifest.preprocessing.scale == (1 / 16,)
    assert manifest.lineage == lineage()
    assert (manifest.score, manifest.samples) == (candidate().score, digits().test.count)


def test_equal_inputs_give_equal_bytes(made: Path, tmp_path: Path):
    again = bundle(tmp_path / "again")

    assert {name: (made / name).read_bytes() for name in FILES} == {name: (again / name).read_bytes() for name in FILES}


def test_the_golden_samples_are_the_first_of_the_test_split_with_the_models_raw_outputs(made: Path):
    golden = artifacts.load_arrays(made / "golden.npz")

    assert golden["inputs"].shape == (8, 8, 8, 1)
    assert np.array_equal(golden["inputs"], digits().test.arrays(8)[0])
    assert golden["outputs"].dtype == np.int8
    assert np.mean(golden["outputs"].argmax(axis=1) == digits().test.labels()[:8]) >= 7 / 8


def test_infer_takes_the_datas_own_units(made: Path):
    x, y = digits().test.arrays(50)

    answer = load_bundle(made).predict(x * 16)

    assert answer["scores"].shape == (50, 10)
    assert [int(label) for label in answer["labels"]] == answer["scores"].argmax(axis=1).tolist()
    assert (answer["labels"].astype(int) == y).mean() > 0.9


class Rows:
    """The test split as vectors, which these two models take."""

    def arrays(self, limit: int) -> tuple[np.ndarray, np.ndarray]:
        x, y = digits().test.arrays(limit)
        return x.reshape(len(x), -1), y


@pytest.mark.parametrize(("name", "task", "outputs"), [("autoencoder", "anomaly", 64), ("regressor", "regression", 1)])
def test_other_tasks_have_scores_and_no_labels(tmp_path: Path, name: str, task: str, outputs: int):
    data = replace(digits(), test=Rows(), input_shape=(64,), task=task, class_names=(), num_outputs=outputs)
    one = changed(candidate(), model=flatbuffer(name), metrics={})
    made = build_bundle(tmp_path / "bundle", one, data, lineage())
    x, _ = data.test.arrays(20)

    answer = load_bundle(made).predict(x * 16)

    predicted = Runner(flatbuffer(name)).predict(x)
    expected = np.mean((predicted - x) ** 2, axis=1) if task == "anomaly" else predicted
    assert answer.keys() == {"scores"}
    assert np.allclose(answer["scores"], expected, rtol=1e-6)
    assert check_golden(made) == GoldenCheck(0.0)


@pytest.mark.parametrize("bad", [np.zeros((1, 8, 8)), np.zeros((0, 8, 8, 1)), np.full((1, 8, 8, 1), np.nan), "text"])
def test_infer_refuses_what_the_model_cannot_take(made: Path, bad: Any):
    with pytest.raises(DataError):
        load_bundle(made).predict(np.asarray(bad))


@pytest.mark.parametrize("name", sorted(FILES - {"manifest.json"}))
def test_one_altered_byte_anywhere_is_noticed(made: Path, name: str):
    content = bytearray((made / name).read_bytes())
    content[len(content) // 2] ^= 1
    (made / name).write_bytes(content)

    with pytest.raises(ArtifactError, match=name):
        load_bundle(made)


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_missing_or_truncated_file_is_noticed(made: Path, name: str):
    content = (made / name).read_bytes()
    (made / name).write_bytes(content[:-2])
    with pytest.raises(ArtifactError, match=name):
        load_bundle(made)

    (made / name).unlink()
    with pytest.raises(ArtifactError, match=name):
        load_bundle(made)


@pytest.mark.parametrize("name", sorted(FILES))
def test_links_are_refused_even_to_the_right_content(made: Path, name: str):
    (made / name).rename(made.parent / "elsewhere")
    (made / name).symlink_to(made.parent / "elsewhere")

    with pytest.raises(ArtifactError, match="link"):
        load_bundle(made)


def test_a_pipe_in_place_of_a_file_does_not_block(made: Path):
    (made / "model.tflite").unlink()
    os.mkfifo(made / "model.tflite")

    with pytest.raises(ArtifactError, match="no plain file"):
        load_bundle(made)


def test_a_file_that_is_not_listed_is_refused(made: Path):
    (made / "run.py").write_text("print('hello')")

    with pytest.raises(ArtifactError, match=r"run\.py is missing or not listed"):
        load_bundle(made)


@pytest.mark.parametrize("name", ["../model.tflite", "/etc/passwd", ".hidden", "a/b", ""])
def test_names_that_lead_elsewhere_are_refused(made: Path, name: str):
    files = json.loads((made / "manifest.json").read_text())["files"]
    rewrite(made, files=files | {name: files["model.tflite"]})

    with pytest.raises(ArtifactError, match=r"manifest\.json is not right: files"):
        load_bundle(made)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("schema_version", 2),
        ("task", "poetry"),
        ("labels", ["0", "1"]),
        ("kernels", "mine"),
        ("score", "NaN"),
        ("files", {}),
        ("lineage", {}),
        ("unknown", 1),
        ("preprocessing", {"scale": [1e999], "offset": [0.0]}),
        ("input", {"name": "x", "shape": [8, 8, 1], "dtype": "int8", "scale": 0.0, "zero_point": 0}),
        ("input", {"name": "x", "shape": [8, 8, 1], "dtype": "int8", "scale": 0.1, "zero_point": 128}),
        ("input", {"name": "x", "shape": [0], "dtype": "int8", "scale": 0.1, "zero_point": 0}),
        ("output", {"name": "y", "shape": [10], "dtype": "object", "scale": 0.1, "zero_point": 0}),
    ],
)
def test_a_manifest_that_is_not_of_the_schema_is_refused(made: Path, field: str, value: Any):
    rewrite(made, **{field: value})

    with pytest.raises(ArtifactError):
        load_bundle(made)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff" * 100, b"[" * 100_000])
def test_a_manifest_that_is_no_json_object_is_refused(made: Path, content: bytes):
    (made / "manifest.json").write_bytes(content)

    with pytest.raises(ArtifactError, match=r"manifest\.json"):
        load_bundle(made)


def test_a_folder_that_is_not_there_is_no_bundle(tmp_path: Path):
    with pytest.raises(ArtifactError, match="is no bundle"):
        load_bundle(tmp_path / "nothing")
