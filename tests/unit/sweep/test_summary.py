import json

from qatflow.sweep.summary import ranks_of, row_of, summarize

OPTIMIZERS = ("adam", "lion")


def test_time_to_target_is_that_of_the_first_epoch_that_reaches_it(result):
    row = row_of(result(curve=(0.2, 0.8, 0.7, 0.9)), target=0.8)
    assert (row["epochs_to_target"], row["seconds_to_target"], row["epochs"]) == (2, 2.0, 4)
    never = row_of(result(curve=(0.2, 0.8)), target=0.81)
    assert (never["epochs_to_target"], never["seconds_to_target"]) == (None, None)


def test_medians_are_of_the_trials_that_reached_it(result):
    trials = [result(seed=s, curve=curve) for s, curve in enumerate([(0.9,), (0.1, 0.1, 0.9), (0.1,)])]
    assert summarize(trials, ("adam",), 0.9)["time_to_target"] == {
        "adam": {"trials": 3, "reached": 2, "epochs": 2.0, "seconds": 2.0}
    }


def test_ranks_count_only_blocks_in_which_all_optimizers_were_tried(result):
    trials = [
        result("adam", 0.9, seed=1),
        result("lion", 0.8, seed=1),
        result("lion", 0.99, seed=2),
        result("adam", 0.1, seed=2, status="lost"),
    ]
    found = ranks_of(trials, OPTIMIZERS)
    assert found["blocks"] == 1
    assert found["optimizers"]["adam"]["mean"] == 1.0
    assert found["optimizers"]["lion"]["mean"] == 2.0


def test_a_failed_trial_ranks_last_and_a_single_optimizer_not_at_all(result):
    trials = [result("adam", status="failed"), result("lion", 0.01)]
    assert ranks_of(trials, OPTIMIZERS)["optimizers"]["adam"]["mean"] == 2.0
    assert ranks_of([result("adam")], ("adam",)) is None
    assert ranks_of([result("adam")], OPTIMIZERS) is None


def test_of_several_rates_the_best_on_the_validation_split_counts(result):
    trials = [
        result("adam", 0.9, test=0.5, learning_rate=0.1),
        result("adam", 0.8, test=0.99, learning_rate=0.2),
        result("lion", 0.7, test=0.6),
    ]
    assert ranks_of(trials, OPTIMIZERS)["optimizers"]["adam"]["mean"] == 2.0


def test_front_and_best(result):
    trials = [
        result("adam", 0.90, size=2000, seed=1),
        result("adam", 0.80, size=1000, seed=2),
        result("lion", 0.85, size=2000, seed=3),
        result("lion", 0.95, test=0.70, size=3000, seed=4),
        result("lion", status="pruned", seed=5),
    ]
    summary = summarize(trials, OPTIMIZERS, 0.9)
    assert summary["pareto"] == [trials[0].key, trials[1].key]
    assert summary["best"] == trials[3].key  # chosen on the validation split, whatever the test split says
    assert summary["counts"] == {"done": 4, "pruned": 1, "failed": 0, "lost": 0}
    json.dumps(summary, allow_nan=False)


def test_nothing_done_is_told_apart(result):
    summary = summarize([result(status="failed")], ("adam",), 0.9)
    assert (summary["best"], summary["pareto"], summary["ranks"]) == (None, [], None)
