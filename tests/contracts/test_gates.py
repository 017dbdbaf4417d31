"""What every gate must do, whichever it is."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from qatflow import params_file
from qatflow.errors import ParamsError
from qatflow.params.release import GATES as DEFAULTS
from qatflow.release.base import Candidate, Champion, Context, GoldenCheck
from qatflow.release.gates import GATES
from qatflow.release.settings import check_settings
from tests.unit.release.fabricate import answered, candidate, changed, context, timed

BAD = replace(
    changed(
        timed(candidate("bad", trained=True), p50=1e9, latency_ratio=1e9),
        score=0.0,
        agreement_float=0.0,
        agreement_fake_quant=0.0,
        model=bytes(10**6),
    ),
    answers=answered(candidate(), test=400, test_float=0, val=400).answers,
    explanation={"rank_correlation": {"mean": -0.2}},
    ensemble={"members": {"ptq_w8a8": {"weight": 1.0}}},
)
GOOD = replace(
    changed(answered(candidate("ptq_w8a8"), test=0, test_float=0, val=0), float={"score": 1.0, "size_bytes": 10**6}),
    explanation={"rank_correlation": {"mean": 0.98}},
)
RIVAL = Champion(3, "ptq_w8a8", "0" * 64, GOOD.score, GOOD.answers["test"], GOOD.size_bytes, 12.5)
each_gate = pytest.mark.parametrize("name", GATES)


def around(judged: Candidate, check: GoldenCheck) -> Context:
    sound = frozenset({GOOD.variant})
    return context(judged, GOOD, champion=RIVAL, golden={judged.variant: check}, sound=sound)


@each_gate
def test_the_default_parameters_use_it_and_the_file_says_so(name: str):
    check_settings({name: DEFAULTS[name]})
    written = params_file.load(Path(__file__).parents[2] / "params.yaml").release.gates
    assert written[name] == DEFAULTS[name]


@each_gate
def test_it_lets_a_good_model_pass(name: str):
    result = GATES[name](GOOD, context(GOOD), DEFAULTS[name])

    assert result.passed, result.reason


@each_gate
def test_it_refuses_a_bad_model_and_says_why(name: str):
    result = GATES[name](BAD, around(BAD, GoldenCheck(None, "it was killed by SIGSEGV")), DEFAULTS[name])

    assert not result.passed
    assert len(result.reason) > 20
    assert "\n" not in result.reason


@each_gate
def test_it_is_pure_and_its_result_is_json_under_its_own_name(name: str):
    results = [GATES[name](BAD, around(BAD, GoldenCheck(9.0)), DEFAULTS[name]) for _ in range(2)]

    assert results[0] == results[1]
    assert results[0].gate == name
    assert json.loads(json.dumps(results[0].to_dict(), allow_nan=False)) == results[0].to_dict()
    assert results[0].threshold in {0.0, *DEFAULTS[name].values()}


@each_gate
def test_settings_that_are_missing_unknown_or_out_of_range_are_refused(name: str):
    good = dict(DEFAULTS[name])
    setting = next(iter(good))
    highest = GATES[name].settings[setting][1]

    with pytest.raises(ParamsError, match=rf"release\.gates\.{name} lacks {setting}"):
        check_settings({name: {key: value for key, value in good.items() if key != setting}})
    with pytest.raises(
        ParamsError, match=rf"Unknown setting release\.gates\.{name}\.typo\. The gate takes: .*{setting}"
    ):
        check_settings({name: good | {"typo": 1.0}})
    for value in (float("nan"), float("inf"), highest * 2, -1.0):
        with pytest.raises(ParamsError, match=rf"release\.gates\.{name}\.{setting} is .* it must be from (0|1e-06) to"):
            check_settings({name: good | {setting: value}})


def test_an_unknown_gate_names_the_known_ones_and_the_nearest():
    with pytest.raises(
        ParamsError, match=r"Unknown gate 'agrement'\. Known: accuracy_drop, agreement.*mean 'agreement'"
    ):
        check_settings({"agrement": {}})
