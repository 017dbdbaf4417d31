import optuna
import pytest

from qatflow.params.root import Params
from qatflow.params.sweep import SweepParams
from qatflow.sweep.keep import home
from qatflow.sweep.study import FACTORS, STARTUP_TRIALS, Search

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning"),
]

ORIGIN = {"code": "c", "data": "d"}


def params(trials=8, **sweep):
    chosen = {"optimizers": ("adam", "sgd"), "strategies": ("qat_w4a8",), "models": ("mlp",), "seeds": 2}
    return Params(
        sweep=SweepParams(**{**chosen, "learning_rates": {"sgd": 0.1}, **sweep}, search="optuna", trials=trials)
    )


def give(result, trial, score=0.5, status="done"):
    return result(score=score, status=status).model_copy(update={"trial": trial})


def play_all(search, result, score):
    asked = []
    while (trial := search.ask()) is not None:
        search.tell(trial, give(result, trial, score(trial)))
        asked.append(trial)
    return asked


def _score(trial):
    return 0.9 if trial.optimizer == "sgd" else 0.1


def test_the_same_sweep_asks_for_the_same_trials(tmp_path, result):
    one, other = (play_all(Search(params(), tmp_path / name, ORIGIN), result, _score) for name in ("a", "b"))
    assert one == other
    assert len(one) == len(set(one)) == 8
    assert [trial.seed for trial in one] == [42, 43] * 4


def test_rates_are_searched_around_those_of_the_optimizers(tmp_path, result):
    own = {"adam": 0.001, "sgd": 0.1}
    factors = [t.learning_rate / own[t.optimizer] for t in play_all(Search(params(), tmp_path, ORIGIN), result, _score)]
    assert all(FACTORS[0] * 0.999 <= factor <= FACTORS[1] * 1.001 for factor in factors)
    assert min(factors) < 0.5
    assert max(factors) > 2


def test_it_turns_to_what_is_good(tmp_path, result):
    asked = play_all(Search(params(30), tmp_path, ORIGIN), result, _score)
    assert sum(trial.optimizer == "sgd" for trial in asked[STARTUP_TRIALS:]) > 20


def test_a_killed_sweep_asks_again_for_what_was_under_way_and_forgets_nothing(tmp_path, result):
    killed = Search(params(), tmp_path, ORIGIN)
    finished, under_way = killed.ask(), killed.ask()
    killed.tell(finished, give(result, finished, 0.5))

    search = Search(params(), tmp_path, ORIGIN)

    assert [entry.trial for entry in search.earlier()] == [finished]
    again = search.ask()
    assert again == under_way
    search.tell(again, give(result, again, 0.5))
    assert len(play_all(search, result, _score)) == 6
    assert search.ask() is None


def test_a_lost_trial_is_asked_for_again_by_the_next_sweep(tmp_path, result):
    search = Search(params(2), tmp_path, ORIGIN)
    unlucky = search.ask()
    search.tell(unlucky, give(result, unlucky, status="lost"))
    assert len(play_all(search, result, _score)) == 1

    assert play_all(Search(params(2), tmp_path, ORIGIN), result, _score) == [unlucky]


def test_failures_count_so_that_a_hopeless_search_ends(tmp_path, result):
    search, asked = Search(params(5), tmp_path, ORIGIN), 0
    while (trial := search.ask()) is not None:
        search.tell(trial, give(result, trial, status="failed"))
        asked += 1
    assert asked == 5


def test_a_trial_below_the_median_is_ended_after_the_warm_up(tmp_path, result):
    search = Search(params(20), tmp_path, ORIGIN)
    for _ in range(STARTUP_TRIALS):
        trial = search.ask()
        assert all(search.goes_on(trial, epoch, 0.8) for epoch in (1, 2, 3))
        search.tell(trial, give(result, trial, 0.8))
    trial = search.ask()
    assert search.goes_on(trial, 1, 0.1)
    assert not search.goes_on(trial, 2, 0.1)
    search.tell(trial, give(result, trial, status="pruned"))
    assert [entry.status for entry in Search(params(20), tmp_path, ORIGIN).earlier()] == ["done"] * 4 + ["pruned"]


@pytest.mark.parametrize("changed", [{"optimizers": ("adam",)}, {"seeds": 3}, {"learning_rates": {"sgd": 0.2}}])
def test_another_space_is_another_study(tmp_path, result, changed):
    play_all(Search(params(), tmp_path, ORIGIN), result, _score)
    assert Search(params(**changed), tmp_path, ORIGIN).earlier() == []
    assert Search(params(), tmp_path, {**ORIGIN, "data": "other"}).earlier() == []
    assert len(Search(params(), tmp_path, ORIGIN).earlier()) == 8


def test_the_study_is_a_database_of_optunas(tmp_path, result):
    play_all(Search(params(), tmp_path, ORIGIN), result, _score)
    summaries = optuna.get_all_study_summaries(f"sqlite:///{home(tmp_path) / 'optuna.db'}")
    assert [(summary.n_trials, summary.best_trial.value) for summary in summaries] == [(8, 0.9)]
