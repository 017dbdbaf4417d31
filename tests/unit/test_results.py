"""Results as files: written and read in one place, old ones understood, newer and broken ones refused in a sentence."""

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from qatflow.errors import ArtifactError
from qatflow.evaluation.result import Evaluation, Timings
from qatflow.release.receipt import Receipt, Shipped
from qatflow.release.select import select
from tests.unit.release.fabricate import candidate, context, digits


def stored(folder: Path) -> dict:
    return json.loads((folder / "evaluation.json").read_text())


def test_a_result_is_read_as_it_was_written_and_says_its_schema(tmp_path: Path):
    one = candidate()
    verdict = select({one.variant: one}, context(one), {"latency": {"max_ratio": 4.0}})
    receipt = Receipt.of("kept", "why", verdict, Shipped.of(3, one, 0.9))
    for result in (one.evaluation, one.timings, receipt, digits().card):
        result.write(tmp_path)

        assert json.loads((tmp_path / result.FILE).read_text())["schema"] == 1
        assert type(result).read(tmp_path) == result


def test_the_layout_is_that_of_before(tmp_path: Path):
    """`float` is no name in Python; what was not measured is not written."""
    candidate().evaluation.write(tmp_path)

    assert stored(tmp_path)["float"]["score"] == candidate().evaluation.reference.score
    assert "float_model" not in stored(tmp_path)
    assert "validation" not in stored(tmp_path)


def test_a_file_of_before_schemas_is_read(tmp_path: Path):
    candidate().evaluation.write(tmp_path)
    old = {name: value for name, value in stored(tmp_path).items() if name not in {"schema", "metric"}}
    (tmp_path / "evaluation.json").write_text(json.dumps(old))

    assert Evaluation.read(tmp_path).score == candidate().score


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"schema": 2}, "evaluation.json has schema 2, and this version of QATFlow reads 1: install the version that"),
        ({"score": "good"}, "evaluation.json: score: Input should be a valid number"),
        ({"metrics": {"per_class": {"0": {}}}}, "evaluation.json: metrics.per_class.0.precision: Field required"),
        ({"surprise": 1}, "evaluation.json: surprise: Extra inputs are not permitted"),
    ],
)
def test_a_newer_or_broken_file_is_refused_by_name_with_a_way_out(tmp_path: Path, change: dict, told: str):
    candidate().evaluation.write(tmp_path)
    (tmp_path / "evaluation.json").write_text(json.dumps(stored(tmp_path) | change))

    with pytest.raises(ArtifactError, match="`qatflow run`") as refused:
        Evaluation.read(tmp_path)

    assert told in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("field", ["score", "metrics", "samples", "sha256"])
def test_a_figure_that_is_missing_is_named(tmp_path: Path, field: str):
    candidate().evaluation.write(tmp_path)
    left = stored(tmp_path)
    del left[field]
    (tmp_path / "evaluation.json").write_text(json.dumps(left))

    with pytest.raises(ArtifactError, match=rf"evaluation.json: {field}: Field required"):
        Evaluation.read(tmp_path)


def test_what_is_no_object_is_refused(tmp_path: Path):
    (tmp_path / "timings.json").write_text("[]")

    with pytest.raises(ArtifactError, match=r"timings.json: the whole"):
        Timings.read(tmp_path)


def test_nobody_can_change_a_result():
    with pytest.raises(ValidationError, match="frozen"):
        candidate().evaluation.score = 1.0


def test_what_was_not_measured_is_said_when_asked_for():
    alone = candidate().evaluation.model_copy(update={"float_model": None, "agreement_float": None})

    for ask in ("reference", "agreement"):
        with pytest.raises(ArtifactError, match="float model was not measured"):
            getattr(alone, ask)
