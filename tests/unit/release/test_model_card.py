"""The model card says what was measured."""

from pathlib import Path

from tests.unit.release.fabricate import bundle, candidate, digits

FIELDS = [
    "Model details",
    "Intended use",
    "Factors",
    "Metrics",
    "Evaluation data",
    "Training data",
    "Quantitative analyses",
    "Ethical considerations",
    "Caveats and recommendations",
]


def test_it_has_the_fields_of_mitchell_et_al_in_their_order(tmp_path: Path):
    lines = (bundle(tmp_path) / "MODEL_CARD.md").read_text().splitlines()

    assert [line.removeprefix("## ") for line in lines if line.startswith("## ")] == FIELDS


def test_its_figures_are_the_models(tmp_path: Path):
    text = (bundle(tmp_path) / "MODEL_CARD.md").read_text()
    one, data = candidate(), digits()

    assert f"`{one.sha256}`" in text
    assert f"accuracy: {one.score:.4f} (float model: {one.evaluation['float']['score']:.4f})" in text
    assert f"test split of `digits`: {data.test.count} samples" in text
    assert f"{data.train.count} samples to train, {data.val.count} to validate" in text
    assert text.count("\n| ") == 2 + 10  # head, rule, one row for each class
