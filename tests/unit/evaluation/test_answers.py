"""What is kept of each sample adds up to the scores, and differences are those of the scores."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import r2_score, roc_auc_score

from qatflow.evaluation.answers import (
    Answers,
    answers,
    answers_on,
    difference,
    load_answers,
    samples_needed,
    save_answers,
    worst_class,
)
from qatflow.tflite.runtime import Runner

RNG = np.random.default_rng(7)


def test_right_answers_add_up_to_the_accuracy(golden, digits):
    found = answers_on("classification", digits.test.batches(100), Runner(golden["int8"]))
    x, y = digits.test.arrays()

    assert found.score == np.mean(Runner(golden["int8"]).predict(x).argmax(axis=1) == y)
    assert np.array_equal(found.labels, y)


def test_errors_add_up_to_r2_over_several_targets():
    y = RNG.normal(size=(50, 3)) * [1, 10, 100]
    values = y + RNG.normal(size=(50, 3))

    assert answers("regression", y, values).score == pytest.approx(r2_score(y, values))


def test_reconstruction_errors_rank_anomalies_and_without_any_their_mean_counts():
    y, values = np.array([[0], [1], [0], [1]]), np.array([0.1, 0.9, 0.2, 0.15])

    assert answers("anomaly", y, values).score == roc_auc_score(y.ravel(), values)
    alone = answers("anomaly", np.zeros((4, 1)), values)
    assert (alone.metric, alone.score) == ("error", -values.mean())


def test_a_difference_is_that_of_the_scores_and_lies_between_its_bounds():
    y = RNG.normal(size=(300, 1))
    labels = (y[:, 0] > 1).astype(int)
    one, other = (answers("regression", y, y + scale * RNG.normal(size=y.shape)) for scale in (0.3, 0.5))
    pairs = [
        (one, other),
        tuple(Answers("auc", y[:, 0] + scale * RNG.normal(size=300), labels) for scale in (0.3, 1.0)),
        tuple(Answers("accuracy", (RNG.random(300) < share).astype(float), labels) for share in (0.9, 0.8)),
    ]
    for a, b in pairs:
        found, back = difference(a, b, 0.05), difference(b, a, 0.05)

        assert found.estimate == pytest.approx(a.score - b.score)
        assert 0 < found.low < found.estimate < found.high
        assert back.low == pytest.approx(-found.high, rel=1e-6)


def test_perfect_ranks_of_few_anomalies_prove_little():
    few = Answers("auc", np.arange(40.0), np.repeat([0, 1], [35, 5]))

    assert difference(few, few, 0.05).low < -0.3
    single = replace(few, labels=np.repeat([0, 1], [39, 1]))
    assert difference(single, single, 0.05).low == -1


def test_the_worst_class_is_the_one_that_most_surely_loses():
    labels = np.repeat([0, 1, 2], [1000, 40, 3])
    before = Answers("accuracy", np.ones(1043), labels)
    merit = np.ones(1043)
    merit[:30] = merit[1000:1010] = merit[1040] = 0.0

    worst = worst_class(before, replace(before, merit=merit), 0.05)

    assert (worst.label, worst.before, worst.after, worst.samples) == (1, 1.0, 0.75, 40)
    assert worst.told("cat") == "recall of class cat fell from 1.000 to 0.750 on 40 samples"
    assert worst_class(before, before, 0.05).least < 0
    assert worst_class(replace(before, metric="r2"), before, 0.05) is None


def test_so_many_samples_as_were_needed_show_it():
    def of(count: int):
        labels = np.zeros(count, int)
        merits = [np.tile(one, count // 100) for one in (np.arange(100) >= 5, np.arange(100)[::-1] >= 5)]
        return difference(*(Answers("accuracy", merit.astype(float), labels) for merit in merits), 0.05)

    needed = samples_needed(of(100), 0.02)

    assert of(100).low < -0.02
    assert of(100 * round(0.6 * needed / 100)).low < -0.02 <= of(100 * round(1.2 * needed / 100)).low
    assert samples_needed(of(100)._replace(estimate=-0.03), 0.02) is None


def test_what_was_kept_is_read_again(tmp_path):
    kept = {"test": Answers("accuracy", np.array([1.0, 0.0]), np.array([3, 4]))}
    save_answers(tmp_path / "answers.npz", kept)
    read = load_answers(tmp_path / "answers.npz")

    assert list(read) == ["test"]
    assert read["test"].metric == "accuracy"
    assert np.array_equal(read["test"].merit, [1.0, 0.0])
    assert np.array_equal(read["test"].labels, [3, 4])


@pytest.mark.parametrize("bad", [{"metric": "r2"}, {"labels": np.ones(9, int)}, {"merit": np.full(9, np.nan)}])
def test_what_was_measured_otherwise_is_not_compared(bad: dict):
    one = Answers("accuracy", np.ones(9), np.zeros(9, int))

    with pytest.raises(ValueError, match="measured"):
        difference(one, replace(one, **bad), 0.05)
