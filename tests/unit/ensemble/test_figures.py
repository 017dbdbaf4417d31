import numpy as np
import pytest

from qatflow.ensemble.figures import figures, judge, q_statistic
from qatflow.evaluation.significance import mcnemar
from qatflow.tflite.runtime import Runner


@pytest.fixture(scope="module")
def judged(classifiers, digits):
    x, _ = digits.test.arrays()
    return {
        name: judge("classification", digits.test, model, Runner(model).predict(x), digits.class_names)
        for name, model in classifiers.items()
    }


def test_members_are_described_as_measured(judged, digits):
    weights = {"int8": 0.75, "int4": 0.25}

    found = figures("classification", digits.test.labels(), judged["float32"], judged, weights)

    assert {name: member["weight"] for name, member in found["members"].items()} == weights
    assert found["members"]["int8"]["score"] == judged["int8"].score == judged["int8"].right.mean()
    assert found["size_bytes"] == len(judged["float32"].model)
    assert found["best"] in judged
    assert found["size_ratio"] == found["size_bytes"] / len(judged[found["best"]].model)


def test_gain_and_significance_against_each_single_model(judged, digits):
    found = figures("classification", digits.test.labels(), judged["int8"], judged, {"int8": 0.5, "int4": 0.5})

    assert found["against"]["int8"] == {"gain": 0.0, "p": 1.0}
    assert found["against"]["int4"]["p"] == mcnemar(judged["int8"].right, judged["int4"].right)
    assert found["against"]["int4"]["gain"] == pytest.approx(judged["int8"].score - judged["int4"].score)


def test_disagreement_is_the_share_of_other_answers(judged, digits):
    weights = dict.fromkeys(("int8", "int4", "float32"), 1 / 3)

    found = figures("classification", digits.test.labels(), judged["int8"], judged, weights)

    first, second = (judged[name].values.argmax(axis=1) for name in ("int8", "int4"))
    assert found["pairs"][0]["members"] == ["int8", "int4"]
    assert found["pairs"][0]["disagreement"] == pytest.approx(np.mean(first != second))
    assert found["disagreement"] == pytest.approx(np.mean([pair["disagreement"] for pair in found["pairs"]]))
    assert len(found["pairs"]) == 3


def test_of_equally_good_models_the_smaller_is_the_best(judged, digits):
    twins = {"large": judged["float32"], "small": judged["float16"]}
    if judged["float32"].score == judged["float16"].score:
        found = figures("classification", digits.test.labels(), judged["int8"], twins, {"large": 0.5, "small": 0.5})
        assert found["best"] == "small"


def test_regression_is_tested_on_squared_errors(golden, brightness):
    x, y = brightness.test.arrays()
    outputs = Runner(golden["regressor"]).predict(x)
    good, worse = (
        judge("regression", brightness.test, golden["regressor"], values, ()) for values in (outputs, outputs + 0.1)
    )

    found = figures("regression", y, good, {"good": good, "worse": worse}, {"good": 0.5, "worse": 0.5})

    assert found["against"]["worse"]["p"] < 1e-6
    assert found["against"]["good"] == {"gain": 0.0, "p": 1.0}
    assert found["ece"] is None
    assert found["best"] == "good"


class TestQ:
    def test_by_hand(self):
        """Kuncheva and Whitaker: (n11 n00 - n01 n10) / (n11 n00 + n01 n10)."""
        a = np.array([True] * 5 + [True] * 2 + [False] * 1 + [False] * 3)
        b = np.array([True] * 5 + [False] * 2 + [True] * 1 + [False] * 3)

        assert q_statistic(a, b) == (5 * 3 - 2 * 1) / (5 * 3 + 2 * 1)

    def test_the_same_failures_give_one_and_opposite_ones_minus_one(self):
        right = np.array([True, True, False])

        assert q_statistic(right, right) == 1.0
        assert q_statistic(right, ~right) == -1.0

    def test_two_that_never_fail_have_none(self):
        assert q_statistic(np.ones(4, bool), np.ones(4, bool)) is None
