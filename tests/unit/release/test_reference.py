"""A bundle's reference is of the very flatbuffer in it, and of the data it was trained on, in their own units."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from qatflow import artifacts
from qatflow.monitoring.reference import load_reference
from qatflow.release.bundle import load_bundle
from qatflow.release.reference import reference_of
from qatflow.tflite.runtime import Runner
from tests.unit.release.fabricate import COLUMNS, bundle, digits, flatbuffer, regressor


@pytest.fixture
def made(tmp_path: Path) -> Path:
    return bundle(tmp_path)


def test_it_describes_training_inputs_and_answers_to_validation_inputs(made: Path):
    reference = load_reference(made / "reference.npz")
    data, about = digits(), reference.about
    x, y = data.val.arrays()
    scores = Runner(flatbuffer("int8")).predict(x)

    assert about.model_sha256 == load_bundle(made).sha256
    assert (about.task, about.classes, about.shape) == ("classification", tuple("0123456789"), (8, 8, 1))
    assert about.samples == data.train.count
    assert about.score == pytest.approx((scores.argmax(axis=1) == y).mean())
    assert np.array_equal(reference.signals[:, 0], scores.max(axis=1))
    assert reference.class_counts.tolist() == np.bincount(scores.argmax(axis=1), minlength=10).tolist()


def test_inputs_are_in_the_datas_own_units_and_none_is_beyond_the_input_tensor(made: Path):
    reference = load_reference(made / "reference.npz")
    largest = reference.about.features.index("max")

    assert reference.moments[largest, 0] == pytest.approx(16, abs=0.5)
    assert reference.about.saturated == 0
    assert reference.held[1, 0] == pytest.approx(16, abs=0.2)
    assert reference.held[0, 0] == pytest.approx(0, abs=0.2)


def test_a_bundle_without_it_loads_as_before(made: Path):
    (made / "reference.npz").unlink()
    manifest = json.loads((made / "manifest.json").read_text())
    del manifest["files"]["reference.npz"]
    artifacts.write_json(made / "manifest.json", manifest)

    assert load_bundle(made).model == flatbuffer("int8")


@pytest.mark.parametrize("missing", ["train", "val"])
def test_data_without_such_samples_give_none(made: Path, missing: str):
    loaded = load_bundle(made)
    data = replace(digits(), **{missing: SimpleNamespace(count=0, x_shape=(8, 8, 1))})

    assert reference_of(loaded.manifest, loaded.sha256, data, Runner(loaded.model)) is None


def test_the_columns_of_a_table_are_watched_under_their_names(tmp_path: Path, brightness):
    for folder, columns in (("named", COLUMNS), ("plain", ())):
        (tmp_path / folder).mkdir()
        made = regressor(tmp_path / folder, brightness, columns)

        watched = load_reference(made / "reference.npz").about.features

        assert watched == (columns or tuple(f"column {number}" for number in range(64)))
