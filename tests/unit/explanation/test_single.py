"""Single predictions: of classes, values, errors and series, in words and as pictures."""

import io
import json

import numpy as np
import pytest
from PIL import Image

from qatflow.errors import ConversionError, DataError
from qatflow.explanation.game import answer_of
from qatflow.explanation.picture import draw
from qatflow.explanation.single import MOST_OUTPUTS, explain_sample, say
from qatflow.explanation.subject import open_field
from qatflow.params.explain import ExplainParams
from tests.unit.explanation.conftest import WEIGHTS

pytestmark = pytest.mark.slow

WANTED = ExplainParams(players=16)


def explained(answer, data, index=0, wanted=WANTED):
    return explain_sample(answer, data, open_field(data, wanted), index, 16, 42)


def pixels(png):
    with Image.open(io.BytesIO(png)) as image:
        return np.asarray(image.convert("RGB"))


@pytest.fixture
def classified(golden, digits):
    return explained(answer_of(golden["int8"], "classification"), digits)


def test_the_likeliest_classes_are_explained_and_the_others_counted(classified, golden, digits):
    answers = answer_of(golden["int8"], "classification")(digits.test.arrays(limit=1)[0])[0]
    outputs = classified.record["outputs"]

    assert [output["name"] for output in outputs] == [
        digits.class_names[i] for i in np.argsort(-answers, kind="stable")[:MOST_OUTPUTS]
    ]
    assert classified.record["left_out"] == 10 - MOST_OUTPUTS
    for output in outputs:
        assert sum(output["values"]) == pytest.approx(output["answer"] - output["base"], abs=1e-4)
    assert json.loads(json.dumps(classified.record, allow_nan=False)) == classified.record


def test_words_name_what_speaks_for_it_and_against_it(classified):
    said = list(say(classified.record))
    first = classified.record["outputs"][0]
    strongest = classified.record["players"]["names"][int(np.argmax(first["values"]))]

    label, name = classified.record["label"], first["name"]
    assert said[0].startswith(f"Sample 0 of the test split, label {label}: the model says {name}")
    assert said[2].startswith(f"  raised by {strongest} (+")
    assert said[3].startswith("  lowered by ")
    assert "7 more outputs are not shown: only the first 3 by rank." in said
    assert said[-1].startswith("Adding the strongest patches first: mean answer ")


@pytest.mark.parametrize("index", [-1, 10**6])
def test_an_index_out_of_range_names_the_range(golden, digits, index):
    last = digits.test.count - 1
    with pytest.raises(DataError, match=rf"no sample {index}: the test split has {last + 1}, 0 to {last}"):
        explained(answer_of(golden["int8"], "classification"), digits, index)


def test_of_a_regression_the_value_is_explained_and_it_says_so(golden, brightness):
    found = explained(answer_of(golden["regressor"], "regression"), brightness)

    assert found.record["players"]["kind"] == "features"
    assert [output["name"] for output in found.record["outputs"]] == ["value"]
    assert "the value is explained" in next(say(found.record))
    values, x = np.array(found.record["outputs"][0]["values"]), found.x
    background = brightness.train.arrays(limit=16)[0].mean(axis=0)
    assert np.corrcoef(values, x - background)[0, 1] > 0.8, "brighter than usual pixels raise a mean brightness"


def test_of_an_autoencoder_the_error_is_explained_and_it_says_so(golden, strange_digits):
    found = explained(answer_of(golden["autoencoder"], "anomaly"), strange_digits)

    assert [output["name"] for output in found.record["outputs"]] == ["reconstruction error"]
    assert "the reconstruction error is explained, not a class" in next(say(found.record))
    assert found.record["label"] in {"normal", "anomaly"}


@pytest.fixture(scope="module")
def series(make_data, tmp_path_factory):
    """Two classes: the middle third of the first channel is high or low."""
    random = np.random.default_rng(0)
    y = np.arange(60) % 2
    x = random.normal(0, 0.1, (60, 12, 2)).astype(np.float32)
    x[:, 4:8, 0] += y[:, None]
    path = tmp_path_factory.mktemp("series") / "data.npz"
    np.savez(path, x=x, y=y)
    return make_data("none", source="arrays", path=str(path))


def score(x):
    """Sure of class 1 where the middle third is high."""
    high = 1 / (1 + np.exp(-8 * (x[:, 4:8, 0].mean(axis=1) - 0.5)))
    return np.stack([1 - high, high], axis=1)


def test_of_a_series_the_window_that_decides_is_found(series):
    found = explained(score, series, wanted=ExplainParams(players=3))
    values = found.record["outputs"][0]["values"]

    assert found.record["players"]["names"] == ["steps 0 to 3", "steps 4 to 7", "steps 8 to 11"]
    assert values[1] > 0.2
    assert values[0] == values[2] == pytest.approx(0.0, abs=1e-6)
    assert pixels(draw(found)).std() > 0


def test_a_model_with_several_inputs_is_refused(two_inputs):
    with pytest.raises(ConversionError, match=r"The model has 2 inputs; QATFlow runs models with exactly one"):
        answer_of(two_inputs, "classification")


def test_the_picture_shows_both_signs_in_colours_that_differ_in_more_than_red_and_green(classified):
    values = classified.record["outputs"][0]["values"]
    values[:] = [0.0] * 16
    values[5], values[10] = 0.9, -0.9

    colours = pixels(draw(classified)).reshape(-1, 3).astype(int)

    blue = (colours[:, 2] - colours[:, 0] > 60).sum()
    red = (colours[:, 0] - colours[:, 2] > 60).sum()
    assert min(blue, red) > 1000


def test_equal_explanations_give_equal_pictures(classified):
    assert draw(classified) == draw(classified)


def test_names_with_formulas_and_tags_are_drawn_as_they_are(golden, brightness):
    found = explained(answer_of(golden["regressor"], "regression"), brightness)
    names = ["$\\frac{x$ <b>", "$$", "a" * 300, *(f"<script>{i}" for i in range(61))]
    object.__setattr__(found.field.players, "names", tuple(names))

    assert pixels(draw(found)).std() > 0


def test_features_of_a_table_have_the_names_of_its_header(make_data, tmp_path, linear):
    random = np.random.default_rng(0)
    header = "age,<b>tall</b>,$x$,d,e,f,label"
    rows = [",".join(map(str, [*row, row[0] * 2])) for row in random.normal(size=(50, 6))]
    (tmp_path / "table.csv").write_text("\n".join([header, *rows]))
    data = make_data("none", source="csv", path=str(tmp_path / "table.csv"), task="regression")

    found = explained(answer_of(linear, "regression"), data)

    assert found.record["players"]["names"] == ["age", "<b>tall</b>", "$x$", "d", "e", "f"]
    assert found.record["fill"] == "samples"
    background = data.train.arrays(limit=WANTED.background)[0].mean(axis=0)
    np.testing.assert_allclose(
        found.record["outputs"][0]["values"], WEIGHTS[0] * (data.test.arrays(limit=1)[0][0] - background), atol=1e-3
    )
