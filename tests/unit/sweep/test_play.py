"""The order of things, with workers that are functions of this process; tests/flows/test_sweep.py has real ones."""

from collections import deque

import pytest

from qatflow.errors import StageError
from qatflow.params.root import Params
from qatflow.params.sweep import SweepParams
from qatflow.sweep.keep import keep_result, read_result
from qatflow.sweep.play import Ended, Epoch, Project, lost, play
from qatflow.sweep.trials import Grid, grid

PARAMS = Params(sweep=SweepParams(optimizers=("adam", "sgd"), strategies=("qat_w4a8",), models=("mlp",), seeds=2))


class Here:
    """Runs trials in the order in which they come; reports one epoch of each, then its end, unless it was stopped."""

    def __init__(self, project, give, slots=2):
        self.project, self.give, self._slots = project, give, slots
        self.submitted, self.stopped, self.most = [], [], 0
        self.waiting = deque()

    def slots(self):
        return self._slots

    def submit(self, trial):
        self.submitted.append(trial)
        self.waiting += [Epoch(trial, 1, 0.1), Ended(trial, self.give(trial, self.project.key(trial)))]
        self.most = max(self.most, sum(isinstance(event, Ended) for event in self.waiting))

    def stop(self, trial):
        self.stopped.append(trial)

    def next(self):
        return self.waiting.popleft()


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path, PARAMS, {"code": "c", "data": "d"})


@pytest.fixture
def done(result):
    """Give a function that returns the result of a trial that went well."""
    return lambda trial, key: result().model_copy(update={"trial": trial, "key": key})


def test_every_trial_runs_once_and_no_more_at_a_time_than_there_are_slots(project, done):
    workers, heard = Here(project, done), []
    results = play(Grid(PARAMS), workers, project, lambda result, repeated: heard.append((result, repeated)))
    assert workers.submitted == grid(PARAMS)
    assert workers.most == 2
    assert [result.trial for result in results] == grid(PARAMS)
    assert heard == [(result, False) for result in results]


def test_a_second_sweep_runs_nothing_and_gives_the_same(project, done):
    first = play(Grid(PARAMS), Here(project, done), project, lambda *_: None)
    workers, heard = Here(project, done), []
    again = play(Grid(PARAMS), workers, project, lambda _result, repeated: heard.append(repeated))
    assert (workers.submitted, again, heard) == ([], first, [True] * 4)


def test_a_sweep_that_was_ended_half_way_goes_on(project, done):
    for trial in grid(PARAMS)[:2]:
        keep_result(project.root, project.key(trial), done(trial, project.key(trial)))
    workers = Here(project, done)
    assert len(play(Grid(PARAMS), workers, project, lambda *_: None)) == 4
    assert workers.submitted == grid(PARAMS)[2:]


def test_lost_trials_are_told_but_not_kept_so_that_they_run_again(project, done):
    unlucky = grid(PARAMS)[1]

    def give(trial, key):
        return lost(trial, key, "KilledWorker") if trial == unlucky else done(trial, key)

    results = play(Grid(PARAMS), Here(project, give), project, lambda *_: None)
    assert [result.status for result in results] == ["done", "lost", "done", "done"]
    assert read_result(project.root, project.key(unlucky)) is None
    workers = Here(project, done)
    assert len(play(Grid(PARAMS), workers, project, lambda *_: None)) == 4
    assert workers.submitted == [unlucky]


def test_trials_that_failed_for_reasons_of_their_own_do_not_run_again(project, done):
    def give(trial, key):
        return done(trial, key).model_copy(update={"status": "failed"})

    play(Grid(PARAMS), Here(project, give), project, lambda *_: None)
    workers = Here(project, give)
    play(Grid(PARAMS), workers, project, lambda *_: None)
    assert workers.submitted == []


def test_a_trial_that_is_not_worth_going_on_with_is_stopped(project, done):
    class Strict(Grid):
        def goes_on(self, trial, epoch, figure):
            return trial.optimizer != "sgd"

    workers = Here(project, done)
    play(Strict(PARAMS), workers, project, lambda *_: None)
    assert {trial.optimizer for trial in workers.stopped} == {"sgd"}


def test_what_makes_all_trials_impossible_ends_the_sweep(project, done):
    class Foreign(Here):
        def next(self):
            raise StageError("other data")

    with pytest.raises(StageError, match="other data"):
        play(Grid(PARAMS), Foreign(project, done), project, lambda *_: None)
