import numpy as np
import pytest
from sklearn import metrics as sklearn

from qatflow.errors import DataError
from qatflow.evaluation.metrics import SCORES, correct, judged, measure, score_of
from qatflow.evaluation.tasks.base import within_tolerance


def one_hot(predicted, classes=3):
    return np.eye(classes, dtype=np.float32)[predicted]


class TestClassification:
    def test_by_hand(self):
        y, predicted = np.array([0, 0, 1, 1, 1]), [0, 1, 1, 1, 0]

        figures = measure("classification", y, one_hot(predicted), ["cat", "dog", "eel"])

        assert figures["accuracy"] == 3 / 5
        assert figures["confusion_matrix"] == [[1, 1, 0], [1, 2, 0], [0, 0, 0]]
        assert figures["per_class"]["cat"] == {"precision": 1 / 2, "recall": 1 / 2, "f1": 1 / 2, "support": 2}
        assert figures["per_class"]["dog"] == {
            "precision": 2 / 3,
            "recall": 2 / 3,
            "f1": pytest.approx(2 / 3),
            "support": 3,
        }
        assert figures["per_class"]["eel"] == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 0}
        assert figures["recall_macro"] == pytest.approx((1 / 2 + 2 / 3 + 0) / 3)

    def test_like_scikit_learn(self):
        rng = np.random.default_rng(0)
        y, outputs = rng.integers(0, 5, 200), rng.random((200, 5))
        predicted = outputs.argmax(axis=1)

        figures = measure("classification", y, outputs, list("abcde"))

        assert figures["accuracy"] == sklearn.accuracy_score(y, predicted)
        assert figures["precision_macro"] == sklearn.precision_score(y, predicted, average="macro")
        assert figures["recall_macro"] == sklearn.recall_score(y, predicted, average="macro")
        assert figures["f1_macro"] == sklearn.f1_score(y, predicted, average="macro")


class TestOneSigmoidUnit:
    """A single output of a classifier is the probability of the second of two classes."""

    P = np.array([[0.1], [0.5], [0.51], [0.9]], np.float32)

    def test_it_becomes_two_scores_and_the_second_class_needs_more_than_half(self):
        scores = judged("classification", np.zeros((4, 2)), self.P)

        np.testing.assert_allclose(scores, [[0.9, 0.1], [0.5, 0.5], [0.49, 0.51], [0.1, 0.9]], atol=1e-6)
        assert correct("classification", np.array([0, 0, 1, 0]), scores).tolist() == [True, True, True, False]

    def test_figures_are_scikit_learns(self):
        y = np.array([0, 1, 1, 1])
        figures = measure("classification", y, judged("classification", self.P, self.P), ["cat", "dog"])

        assert figures["accuracy"] == 3 / 4
        assert figures["roc_auc"] == sklearn.roc_auc_score(y, self.P[:, 0])
        assert figures["recall_macro"] == sklearn.balanced_accuracy_score(y, self.P[:, 0] > 0.5)


class TestMultiLabel:
    Y = np.array([[1, 0, 0], [1, 1, 0], [0, 0, 0], [0, 1, 0]], np.float32)
    P = np.array([[0.9, 0.2, 0.1], [0.6, 0.4, 0.1], [0.2, 0.3, 0.5], [0.1, 0.9, 0.2]], np.float32)

    def test_by_hand(self):
        figures = measure("multi_label", self.Y, self.P, ["red", "blue", "never"])

        assert (figures["accuracy"], figures["label_accuracy"]) == (3 / 4, 11 / 12)
        assert figures["per_class"]["blue"] == {
            "precision": 1.0,
            "recall": 1 / 2,
            "f1": pytest.approx(2 / 3),
            "support": 2,
        }
        assert figures["per_class"]["never"]["support"] == 0
        assert figures["roc_auc_macro"] == 1.0

    def test_like_scikit_learn(self):
        rng = np.random.default_rng(0)
        y, p = rng.integers(0, 2, (100, 4)), rng.random((100, 4))

        figures = measure("multi_label", y, p, list("abcd"))

        assert figures["accuracy"] == sklearn.accuracy_score(y, p > 0.5)
        assert figures["f1_macro"] == pytest.approx(sklearn.f1_score(y, p > 0.5, average="macro"))
        assert figures["roc_auc_macro"] == pytest.approx(sklearn.roc_auc_score(y, p, average="macro"))

    def test_a_label_that_all_samples_have_allows_no_area(self):
        assert "roc_auc_macro" not in measure("multi_label", np.ones((3, 1)), np.ones((3, 1)), ["all"])


class TestRegression:
    def test_by_hand(self):
        y, outputs = np.array([[1.0], [2.0], [3.0], [4.0]]), np.array([[1.0], [2.0], [3.0], [6.0]])

        assert measure("regression", y, outputs, ()) == {"mae": 0.5, "rmse": 1.0, "r2": pytest.approx(1 - 4 / 5)}

    def test_constant_targets_give_a_finite_score(self):
        assert measure("regression", np.ones((3, 1)), np.zeros((3, 1)), ())["r2"] == 0.0

    def test_one_sample(self):
        with pytest.raises(DataError, match="R² needs at least two"):
            measure("regression", np.ones((1, 1)), np.ones((1, 1)), ())


class TestAnomaly:
    def test_by_hand(self):
        figures = measure("anomaly", np.array([0, 0, 1, 1]), np.array([1.0, 3.0, 2.0, 4.0]), ())

        assert figures["auc"] == 3 / 4
        assert (figures["mean_error_normal"], figures["mean_error_anomaly"]) == (2.0, 3.0)

    def test_one_kind_only(self):
        with pytest.raises(DataError, match="AUC needs both"):
            measure("anomaly", np.zeros(4), np.arange(4.0), ())


class TestJudged:
    def test_outputs_become_rows(self):
        outputs = np.zeros((2, 1, 1, 3), np.float32)

        assert judged("classification", np.zeros((2, 8, 8, 1)), outputs).shape == (2, 3)
        assert judged("regression", np.zeros((2, 8, 8, 1)), outputs).shape == (2, 3)

    def test_reconstruction_error_is_the_mean_square(self):
        x, outputs = np.zeros((2, 2, 2)), np.array([[[1.0, 0.0], [0.0, 1.0]], [[2.0, 2.0], [2.0, 2.0]]])

        assert judged("anomaly", x, outputs).tolist() == [0.5, 4.0]


class TestCorrect:
    def test_classification(self):
        assert correct("classification", np.array([0, 1, 2]), one_hot([0, 2, 2])).tolist() == [True, False, True]

    def test_regression_allows_five_percent_of_the_range(self):
        y = np.array([[0.0], [10.0], [5.0]])

        assert correct("regression", y, y + np.array([[0.4], [0.6], [-0.4]])).tolist() == [True, False, True]

    def test_anomaly_uses_youdens_threshold(self):
        y, errors = np.array([0, 0, 0, 1, 1, 1]), np.array([1.0, 2.0, 5.0, 3.0, 4.0, 6.0])

        assert correct("anomaly", y, errors).tolist() == [True, True, False, True, True, True]


def test_tolerance_holds_for_every_column():
    reference = np.array([[0.0, 0.0], [1.0, 100.0]])

    values = reference + np.array([[0.04, 4.0], [0.06, 0.0]])

    assert within_tolerance(reference, values).tolist() == [True, False]


@pytest.mark.parametrize(
    ("task", "y", "values"),
    [
        ("classification", np.array([0, 1]), one_hot([0, 1])),
        ("multi_label", np.array([[0.0, 1.0, 1.0]]), np.array([[0.4, 0.6, 0.9]])),
        ("regression", np.array([[0.0], [1.0]]), np.array([[0.0], [1.0]])),
        ("anomaly", np.array([0, 1]), np.array([0.0, 1.0])),
    ],
)
def test_a_perfect_model_scores_one_in_every_task(task, y, values):
    assert task in SCORES
    assert score_of(task, measure(task, y, values, ["a", "b", "c"])) == 1.0
    assert correct(task, y, values).all()
