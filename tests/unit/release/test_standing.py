"""The present champion is measured on the data of the release."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from qatflow.adapters.in_memory import InMemoryRegistry
from qatflow.artifacts import stage_output
from qatflow.data.prepare import prepare_data
from qatflow.data.prepared import PreparedData, Preprocessing, open_prepared
from qatflow.errors import ArtifactError
from qatflow.params.data import DataParams
from qatflow.release.bundle import load_bundle
from qatflow.release.candidates import Inputs
from qatflow.release.standing import measure_champion
from tests.unit.release.fabricate import COLUMNS, bundle, candidate, digits, flatbuffer, inputs, regressor


@pytest.fixture
def registry(tmp_path: Path) -> InMemoryRegistry:
    """A registry whose version 1 is the int4 model, with a recorded score of 0.5."""
    registry = InMemoryRegistry("digits")
    made = bundle(tmp_path, flatbuffer("int4"), "qat_w4a8")
    facts = {"model_sha256": load_bundle(made).sha256, "variant": "qat_w4a8", "score": "0.5", "latency_us": "9.0"}
    registry.register(registry.log_model(made, facts, {}))
    return registry


def measure(registry: InMemoryRegistry, folder: Path, data: PreparedData):
    return measure_champion(registry, 1, replace(inputs(candidate()), data=data), folder / "champion")


def test_its_score_is_measured_not_remembered(registry: InMemoryRegistry, tmp_path: Path):
    champion, truth = measure(registry, tmp_path, digits()), candidate("qat_w4a8", flatbuffer("int4"))

    assert (champion.version, champion.variant, champion.latency_us) == (1, "qat_w4a8", 9.0)
    assert (champion.score, champion.size_bytes) == (truth.score, truth.size_bytes)
    assert np.array_equal(champion.answers.merit, truth.answers["test"].merit)


def test_data_that_are_normalized_otherwise_are_brought_back_to_its_own_units(
    registry: InMemoryRegistry, tmp_path: Path
):
    other = Preprocessing((1 / 8,), (-1.0,))

    class Renormalized:
        def batches(self, batch_size: int):
            for x, y in digits().test.batches(batch_size):
                yield other.apply(x * 16), y

    champion = measure(registry, tmp_path, replace(digits(), test=Renormalized(), preprocessing=other))

    assert champion.score == candidate("qat_w4a8", flatbuffer("int4")).score


@pytest.mark.parametrize(
    "change",
    [
        {"input_shape": (32, 32, 3)},
        {"class_names": tuple("abcdefghij")},
        {"task": "regression", "class_names": ()},
        {"num_outputs": 5},
    ],
)
def test_one_made_for_other_inputs_or_labels_is_not_compared(registry: InMemoryRegistry, tmp_path: Path, change: dict):
    champion = measure(registry, tmp_path, replace(digits(), **change))

    assert (champion.score, champion.answers) == (None, None)


def test_one_that_is_a_candidate_is_not_run_again(registry: InMemoryRegistry, tmp_path: Path):
    same = candidate("qat_w4a8", flatbuffer("int4"))

    champion = measure_champion(registry, 1, Inputs({"qat_w4a8": same}, {}, digits()), tmp_path / "champion")

    assert champion.answers is same.answers["test"]
    assert champion.score == same.score


def test_one_whose_files_were_altered_is_refused(registry: InMemoryRegistry, tmp_path: Path):
    files, _ = registry.models[registry.versions[1]]
    files["model.tflite"] = flatbuffer("int8")

    with pytest.raises(ArtifactError, match=r"model\.tflite was altered"):
        measure(registry, tmp_path, digits())


def test_samples_that_may_have_trained_it_are_left_out(registry: InMemoryRegistry, tmp_path: Path):
    with stage_output(tmp_path / "prepare", "prepare") as out:
        prepare_data(DataParams(), "unit", 7, out)
    others = open_prepared(tmp_path / "prepare")

    champion = measure(registry, tmp_path, others)

    tested = {x.tobytes() for x in digits().test.stored(np.arange(digits().test.count))}
    rows = [row for row, x in enumerate(others.test.stored(np.arange(others.test.count))) if x.tobytes() in tested]
    assert champion.answers.rows.tolist() == rows
    assert 30 < len(rows) < others.test.count / 2
    assert len(champion.answers.merit) == len(rows)


def test_one_that_does_not_say_what_trained_it_is_not_known_to_be_fair(registry: InMemoryRegistry, tmp_path: Path):
    files, _ = registry.models[registry.versions[1]]
    manifest = json.loads(files["manifest.json"])
    assert measure(registry, tmp_path / "a", digits()).is_fair
    files["manifest.json"] = json.dumps({key: value for key, value in manifest.items() if key != "split"}).encode()

    assert not measure(registry, tmp_path / "b", digits()).is_fair


def test_columns_in_another_order_are_put_back_into_its_own(brightness, tmp_path: Path):
    registry, turned = InMemoryRegistry("brightness"), COLUMNS[::-1]
    made = regressor(tmp_path, brightness)
    facts = {"model_sha256": load_bundle(made).sha256, "variant": "ptq_w8a8", "score": "0.5", "latency_us": "9.0"}
    registry.register(registry.log_model(made, facts, {}))

    class Turned:
        count, row_batches = brightness.test.count, staticmethod(brightness.test.row_batches)

        def batches(self, batch_size: int):
            for x, y in brightness.test.batches(batch_size):
                yield x[:, ::-1], y

        def stored(self, rows: np.ndarray):
            return brightness.test.stored(rows)[:, ::-1]

    same = measure(
        registry,
        tmp_path / "a",
        replace(brightness, card=brightness.card.model_copy(update={"feature_names": tuple(COLUMNS)})),
    )
    data = replace(brightness, test=Turned(), card=brightness.card.model_copy(update={"feature_names": tuple(turned)}))
    other = measure(registry, tmp_path / "b", data)
    assert (other.score, other.answers.rows) == (same.score, None)
    data = replace(brightness, card=brightness.card.model_copy(update={"feature_names": ("other", *COLUMNS[1:])}))
    assert measure(registry, tmp_path / "c", data).score is None
