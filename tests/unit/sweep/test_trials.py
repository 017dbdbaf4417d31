from itertools import product

import pytest

from qatflow.params.quantize import QatParams, QuantizeParams
from qatflow.params.root import Params
from qatflow.params.sweep import SweepParams
from qatflow.sweep.trials import Trial, float_key, grid, quantize_params, trial_key

ORIGIN = {"code": "c", "data": "d"}
PARAMS = Params(
    seed=5,
    quantize=QuantizeParams(
        training=QatParams(optimizer="adam", optimizer_settings={"beta_1": 0.8}, learning_rate=0.02)
    ),
    sweep=SweepParams(
        optimizers=("adam", "sgd"),
        strategies=("qat_w8a8_per_channel", "qat_w4a8"),
        models=("mlp",),
        seeds=3,
        learning_rates={"sgd": 0.1},
    ),
)


def test_the_grid_holds_every_combination_once_at_the_rates_of_its_optimizers():
    trials = grid(PARAMS)
    combined = product(("adam", "sgd"), PARAMS.sweep.strategies, ("mlp",), (5, 6, 7))
    assert [(t.optimizer, t.strategy, t.model, t.seed) for t in trials] == list(combined)
    assert {(t.optimizer, t.learning_rate) for t in trials} == {("adam", 0.02), ("sgd", 0.1)}


def test_the_first_trials_need_different_float_models():
    first, second = grid(PARAMS)[:2]
    assert float_key(first, PARAMS, ORIGIN) != float_key(second, PARAMS, ORIGIN)


def test_settings_of_an_optimizer_are_not_given_to_another():
    own, other = (quantize_params(grid(PARAMS)[i], PARAMS).training for i in (0, -1))
    assert (own.optimizer, own.learning_rate, dict(own.optimizer_settings)) == ("adam", 0.02, {"beta_1": 0.8})
    assert (other.optimizer, other.learning_rate, dict(other.optimizer_settings)) == ("sgd", 0.1, {})


@pytest.mark.parametrize(
    ("params", "origin"),
    [
        ({"pretrain": PARAMS.pretrain.model_copy(update={"epochs": 31})}, ORIGIN),
        ({"quantize": QuantizeParams(calibration="percentile")}, ORIGIN),
        ({"model": PARAMS.model.model_copy(update={"width": 0.5})}, ORIGIN),
        ({}, {"code": "other", "data": "d"}),
        ({}, {"code": "c", "data": "other"}),
    ],
)
def test_a_result_is_not_reused_when_something_that_it_rests_on_changes(params, origin):
    trial = grid(PARAMS)[0]
    assert trial_key(trial, PARAMS.model_copy(update=params), origin) != trial_key(trial, PARAMS, ORIGIN)


def test_a_result_is_reused_when_only_the_sweep_around_it_changes():
    trial = grid(PARAMS)[0]
    sweep = SweepParams(optimizers=("adam",), workers=7, target=0.5, seeds=9)
    quantize = PARAMS.quantize.model_copy(update={"variants": ("ptq_w8a8",)})
    changed = PARAMS.model_copy(update={"sweep": sweep, "quantize": quantize})
    assert trial_key(trial, changed, ORIGIN) == trial_key(trial, PARAMS, ORIGIN)


def test_the_float_model_is_shared_by_all_optimizers_and_strategies():
    assert len({float_key(trial, PARAMS, ORIGIN) for trial in grid(PARAMS)}) == PARAMS.sweep.seeds
    assert len({trial_key(trial, PARAMS, ORIGIN) for trial in grid(PARAMS)}) == len(grid(PARAMS))


def test_a_trial_survives_the_way_through_json():
    trial = grid(PARAMS)[0]
    assert Trial(**trial.record()) == trial
