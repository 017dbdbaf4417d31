"""The model card says what was measured, and of what was not, that nobody said it."""

import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from qatflow.params.release import CardParams
from qatflow.release.bundle import build_bundle, load_bundle
from qatflow.release.card_text import code
from qatflow.release.model_card import render
from tests.unit.release.fabricate import bundle, candidate, changed, digits, lineage

FIELDS = [
    "Model Details",
    "Intended Use",
    "Factors",
    "Metrics",
    "Evaluation Data",
    "Training Data",
    "Quantitative Analyses",
    "Ethical Considerations",
    "Caveats and Recommendations",
]
HOSTILE = "<img src=x onerror=alert(1)> | `x` [y](z)"


@pytest.fixture
def text(tmp_path: Path) -> str:
    return (bundle(tmp_path) / "MODEL_CARD.md").read_text()


def test_it_has_the_fields_of_mitchell_et_al_in_their_order(text: str):
    assert [line.removeprefix("## ") for line in text.splitlines() if line.startswith("## ")] == FIELDS


def test_its_figures_are_the_models(text: str):
    one, data = candidate(), digits()

    assert f"`{one.sha256}`" in text
    assert f"accuracy: {one.score:.4f} (float model: {one.evaluation.reference.score:.4f})" in text
    assert f"test split of `digits`: {data.test.count} samples" in text
    assert f"{data.train.count} samples to train, {data.val.count} to validate" in text
    assert "95 % confidence interval (Wilson): 0.9000 to 1.0000" in text
    _, _, classes = text.partition("| class |")
    assert classes.partition("## ")[0].count("\n| ") == 1 + 10  # rule, one row for each class


def test_its_checksums_are_those_of_the_files(tmp_path: Path):
    loaded = load_bundle(bundle(tmp_path))
    text = (loaded.path / "MODEL_CARD.md").read_text()
    for name in ("model.tflite", "golden.npz"):
        assert f"`{loaded.manifest.files[name].sha256}`" in text
    assert all(f"`{sha256}`" in text for sha256 in loaded.manifest.lineage.stages.values())


def test_what_nobody_said_is_not_stated(text: str):
    assert "- intended use: not stated" in text
    assert "developed by: not stated; license: not stated; questions to: not stated" in text


def test_what_people_say_is_in_it_escaped(tmp_path: Path):
    said = CardParams(**dict.fromkeys(CardParams.model_fields, HOSTILE))
    out = build_bundle(tmp_path / "bundle", candidate(), digits(), lineage(), said=said)
    text = (out / "MODEL_CARD.md").read_text()

    assert text.count("&lt;img src=x") == len(CardParams.model_fields)
    assert "<img" not in text
    assert "not stated" not in text
    assert "| `x`" not in text


def test_names_from_data_are_escaped():
    one, data = candidate(), digits()
    first = one.evaluation.metrics.per_class["0"].to_dict()
    hostile = changed(one, metrics={"per_class": {HOSTILE: first | {"recall": 0.5}, "b": first}, "ece": 0.1})
    card = data.card.model_copy(update={"source": HOSTILE, "class_counts": {"train": {HOSTILE: 3, "b": 9}}})
    text = render(_manifest(strategy=HOSTILE), hostile, card, CardParams())

    assert "<img" not in text.replace(code(HOSTILE), "")
    assert "weak on &lt;img" in text


def test_equal_inputs_give_equal_bytes(tmp_path: Path):
    one, other = (bundle(tmp_path / name) for name in ("a", "b"))

    assert (one / "MODEL_CARD.md").read_bytes() == (other / "MODEL_CARD.md").read_bytes()


def test_few_samples_and_faults_of_the_data_are_caveats():
    data, one = digits(), candidate()
    card = data.card.model_copy(update={"duplicates": replace(data.card.duplicates, conflicting_labels=2)})
    per_class = {"few": one.evaluation.metrics.per_class["0"].to_dict() | {"support": 4}}
    text = render(_manifest(), changed(one, metrics={"per_class": per_class}), card, CardParams())

    assert "- fewer than 30 test samples, so roughly measured: few" in text
    assert "- 2 samples of the data occur twice with different labels" in text


def _manifest(**changes: object):
    with tempfile.TemporaryDirectory() as folder:
        return load_bundle(bundle(Path(folder))).manifest.model_copy(update=changes)


def test_of_a_model_from_elsewhere_nothing_is_claimed_that_nobody_here_knows(tmp_path: Path):
    made = build_bundle(tmp_path / "bundle", replace(candidate(), is_foreign=True), digits(), lineage())
    text = (made / "MODEL_CARD.md").read_text()

    assert "never used in training" not in text
    assert "whether its float model was trained on them is not known here" in text
    assert "what it was trained on is not known here; to quantize it:" in text
    assert "the same as in training" not in text
