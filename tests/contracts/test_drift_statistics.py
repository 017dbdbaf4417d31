"""What every drift statistic and every detector of change must do, whichever it is."""

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from qatflow import params_file
from qatflow.artifacts import Array
from qatflow.errors import ParamsError
from qatflow.monitoring.detectors import DETECTORS
from qatflow.monitoring.features import describe, embed
from qatflow.monitoring.reference import Reference, build_reference, signals
from qatflow.monitoring.statistics import STATISTICS, Outcome, Window
from qatflow.monitoring.watch import check_statistics
from tests.unit.monitoring.fabricate import HELD, about, digits, reference, window, window_of

each_statistic = pytest.mark.parametrize("name", STATISTICS)
each_detector = pytest.mark.parametrize("name", DETECTORS)
WINDOWS = 300


@cache
def draws() -> list[tuple[Reference, Window]]:
    """Split the digits anew each time: both parts are alike."""
    rng = np.random.default_rng(7)
    return [drawn(rng) for _ in range(WINDOWS)]


def drawn(rng: np.random.Generator) -> tuple[Reference, Window]:
    x, scores, y = digits()
    order = rng.permutation(len(x))
    new, old = order[:200], order[200:1000]
    frozen = build_reference(about(), [x[old]], scores[old], y[old], HELD)
    return frozen, window_of(frozen, x[new], scores[new], int(order[0]))


def moved() -> Window:
    """Brighter noise and other classes: nothing is as it was."""
    x, scores, _ = digits()
    noisy = x[1400:1600] + np.random.default_rng(1).normal(4, 3, (200, 8, 8, 1)).astype(np.float32)
    others = np.roll(scores[1400:1600] * 0.5, 1, axis=1)
    others[:, 3] += 0.6
    return window_of(reference(), noisy, others)


def asked(name: str, frozen: Reference, served: Window) -> Outcome:
    outcome = STATISTICS[name](frozen, served)
    assert outcome is not None
    return outcome


def test_the_default_parameters_use_all_of_them():
    found = params_file.load(Path(__file__).parents[2] / "params.yaml").monitoring.statistics

    assert set(found) == set(STATISTICS)


@each_statistic
def test_without_drift_p_values_are_as_often_small_as_they_say(name: str):
    p = np.array([asked(name, *draw).p for draw in draws()])

    # Four standard deviations of so many windows around what the specification allows, 0.5 to 1.5 times the level.
    for level in (0.05, 0.2):
        slack = 4 * np.sqrt(level * (1 - level) / WINDOWS)
        assert 0.5 * level - slack <= (p <= level).mean() <= 1.5 * level + slack


@each_statistic
def test_it_sees_what_has_moved_far(name: str):
    outcome = asked(name, reference(), moved())

    assert outcome.p < 0.001
    assert outcome.value > asked(name, reference(), window()).value


@each_statistic
def test_equal_windows_have_equal_outcomes_and_nothing_is_changed(name: str):
    served = moved()
    before = {key: None if part is None else np.copy(part) for key, part in vars(served).items()}

    assert asked(name, reference(), served) == asked(name, reference(), moved())
    assert all(np.array_equal(part, before[key]) for key, part in vars(served).items())


@each_statistic
@pytest.mark.parametrize("count", [1, 2, 7])
def test_a_window_of_few_samples_has_a_p_value_too(name: str, count: int):
    outcome = asked(name, reference(), window(count=count))

    assert 0 < outcome.p <= 1
    assert np.isfinite(outcome.value)


@each_statistic
def test_constant_inputs_and_scores_that_stay_so_are_no_drift(name: str):
    x, scores = np.full((300, 8, 8, 1), 3, np.float32), np.tile(np.eye(10, dtype=np.float32)[4], (300, 1))
    frozen = build_reference(about(), [x], scores, np.full(300, 4), HELD)

    outcome = asked(name, frozen, window_of(frozen, x[:100], scores[:100]))

    assert outcome.p > 0.05
    assert np.isfinite(outcome.value)


@each_statistic
@pytest.mark.parametrize(("task", "shape", "outputs"), [("regression", (5,), 2), ("anomaly", (96, 3), 1)])
def test_other_tasks_and_shapes_have_an_outcome_or_none(name: str, task: str, shape: tuple[int, ...], outputs: int):
    rng = np.random.default_rng(3)

    def part(count: int) -> tuple[Array, Array]:
        return rng.normal(size=(count, *shape)).astype(np.float32), rng.random((count, outputs), np.float32)

    x, scores = part(500)
    frozen = build_reference(about(task), [x], scores, np.zeros(500), HELD)
    served = Window(describe(x[:50]), signals(task, scores[:50]), np.zeros(0, np.int64), embed(x[:50]) / frozen.scale)

    outcome = STATISTICS[name](frozen, served)

    assert outcome is None or 0 < outcome.p <= 1


@each_statistic
def test_inputs_that_were_not_kept_are_no_mistake(name: str):
    outcome = STATISTICS[name](reference(), replace(window(), embedded=None))

    assert outcome is None or 0 < outcome.p <= 1


def test_an_unknown_statistic_names_the_known_ones_and_the_nearest():
    with pytest.raises(ParamsError, match=r"Unknown drift statistic 'ksi'\. Known: chi2, ks, mmd, psi\..*mean"):
        check_statistics(["psi", "ksi"])


@each_detector
def test_it_is_silent_on_a_steady_stream_and_sees_a_change_of_an_error_rate(name: str):
    rng = np.random.default_rng(0)
    detector = DETECTORS[name](None)

    steady = [detector.update(float(error)) for error in rng.random(4000) < 0.05]
    after = [detector.update(float(error)) for error in rng.random(500) < 0.5]

    assert not any(steady)
    assert any(after[:200])


@each_detector
def test_its_state_is_json_from_which_it_goes_on_as_if_nothing_were(name: str):
    rng = np.random.default_rng(2)
    stream = np.concatenate([rng.normal(size=2000), rng.normal(0.7, 1, size=1000)]).tolist()
    whole, broken = DETECTORS[name](None), DETECTORS[name](None)

    for index, value in enumerate(stream):
        if index % 97 == 0:
            text = json.dumps(broken.state(), allow_nan=False)
            broken = DETECTORS[name](json.loads(text))
        assert whole.update(value) == broken.update(value)
    assert whole.state() == broken.state()
    assert len(json.dumps(whole.state())) < 10_000
