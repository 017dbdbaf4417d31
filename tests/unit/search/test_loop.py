"""The search, with flatbuffers made beforehand in place of the engine's: what is tried, and what wins."""

from dataclasses import dataclass, field

import pytest

from qatflow.backend import keras
from qatflow.errors import ConversionError, ParamsError
from qatflow.evaluation.alarm import Alarm
from qatflow.params.quantize import QuantizeParams
from qatflow.quantization import STRATEGIES
from qatflow.quantization.run import Made
from qatflow.search.clock import Clock
from qatflow.search.loop import Search
from qatflow.search.names import compressions_of
from qatflow.search.options import Goal, Options
from qatflow.tflite.convert import convert_full_integer

WHOLE = [name for name in STRATEGIES if not {"structured", "low_rank"} & set(compressions_of(name))]
"""Strategies that leave the number of weights as it is."""


@dataclass
class Shelf:
    """Hands out flatbuffers by name and writes down what it was asked for."""

    flatbuffers: dict
    asked: list = field(default_factory=list)
    settings: dict = field(default_factory=dict)
    alarms: dict = field(default_factory=dict)

    def __call__(self, strategy, model, data, settings, *, seed, progress):
        self.asked.append(strategy)
        self.settings[strategy] = settings
        found = self.flatbuffers[strategy]
        if isinstance(found, Exception):
            raise found
        return Made(
            strategy, found, model, [], {"hidden": 8}, ("a note",), quantized=None, alarm=self.alarms.get(strategy)
        )


@pytest.fixture(scope="module")
def guessing(arrays, golden):
    """An int8 flatbuffer of the size of the golden 4-bit one that does not look at its input."""
    layers = [
        keras.layers.Flatten(input_shape=(8, 8, 1)),
        keras.layers.Dense(10, "softmax", kernel_initializer="zeros"),
    ]
    flatbuffer = convert_full_integer(keras.Sequential(layers), arrays[0][:20])
    return flatbuffer + bytes(len(golden["int4"]) - len(flatbuffer))


@pytest.fixture
def shelf(golden, guessing):
    """Everything works, but post-training quantization to 4 bits guesses. 8 bits weigh more than 4."""
    narrow = dict.fromkeys(("qat_w4a8", "qat_mixed", "qat_progressive"), golden["int4"]) | {"ptq_w4a8": guessing}
    return Shelf(dict.fromkeys(STRATEGIES, golden["int8"] + bytes(2000)) | narrow)


@pytest.fixture
def start(classifier, data, shelf):
    def begin(goal=None, clock=None, **options):
        options = {"settings": QuantizeParams(), "latency_runs": 3} | options
        return Search(
            classifier, data, goal or Goal(max_drop=0.1), Options(**options), make=shelf, clock=clock or Clock()
        )

    return begin


def outcomes(result):
    return {trial.strategy: trial.status for trial in result.trials}


@pytest.mark.slow
def test_training_starts_with_the_narrowest_and_stops_when_nothing_smaller_is_left(start, shelf):
    result = start().auto(WHOLE)

    assert result.strategy == "qat_w4a8"
    assert shelf.asked == ["ptq_w8a8", "ptq_w4a8", "qat_w4a8"]
    assert outcomes(result)["qat_w8a8_per_channel"] == "skipped"
    assert len(result.trials) == len(WHOLE)
    assert "the smallest of 3 candidates that lose at most 0.1 of accuracy" in result.reason


def test_no_training_once_a_flatbuffer_does_not_compute_its_fake_quant_model(start, shelf):
    shelf.alarms["ptq_w4a8"] = Alarm("it answers otherwise", "the two part at 'c'", of_conversion=True)

    result = start().auto(["ptq_w4a8", "qat_w4a8"])

    assert shelf.asked == ["ptq_w4a8"]
    assert "the two part at 'c'" in result.trials[-1].reason
    assert result.to_dict()["candidates"][1]["alarm"] == "it answers otherwise; the two part at 'c'"


@pytest.mark.slow
def test_no_training_where_post_training_quantization_is_good_at_4_bits(start, shelf, golden):
    shelf.flatbuffers["ptq_w4a8"] = golden["int4"]

    result = start().auto(WHOLE)

    assert result.strategy == "ptq_w4a8"
    assert not any(STRATEGIES[name].trained for name in shelf.asked)


@pytest.mark.slow
def test_fewer_channels_are_tried_where_they_could_be_smaller(start, shelf, golden):
    shelf.flatbuffers |= {"ptq_w4a8": golden["int4"] + bytes(64), "qat_w4a8_structured": golden["int4"]}

    result = start().auto([*WHOLE, "qat_w4a8_structured"])

    assert shelf.asked == ["ptq_w8a8", "ptq_w4a8", "qat_w4a8_structured"]
    assert result.strategy == "qat_w4a8_structured"


@pytest.mark.slow
@pytest.mark.parametrize("compressed", [False, True])
def test_zeros_are_worth_a_training_where_bytes_travel(start, shelf, golden, compressed):
    shelf.flatbuffers["ptq_w4a8"] = golden["int4"]

    start(goal=Goal(max_drop=0.1, compressed=compressed)).auto(WHOLE)

    assert ("pqat_w4a8" in shelf.asked) == compressed


@pytest.mark.slow
def test_a_failure_is_a_line_and_not_the_end(start, shelf):
    failures = {"qat_w4a8": ConversionError("no kernel"), "ptq_w8a8": KeyError("x"), "qat_mixed": ParamsError("budget")}
    shelf.flatbuffers |= failures

    result = start().auto(list(STRATEGIES))

    failed = {trial.strategy: trial.reason for trial in result.trials if trial.status == "failed"}
    assert failed == {name: str(error) for name, error in failures.items()}
    assert result.strategy == "qat_progressive"


@pytest.mark.slow
def test_if_nothing_that_fits_is_good_enough_the_best_that_fits_wins_and_it_says_so(start, shelf, guessing):
    for name in STRATEGIES:
        shelf.flatbuffers[name] = guessing
    goal = Goal(max_drop=0.1, size_budget=len(guessing) + 10)

    result = start(goal).auto(list(STRATEGIES))

    assert len(result.flatbuffer) == len(guessing)
    assert "no candidate within" in result.reason


@pytest.mark.slow
def test_mixed_widths_aim_at_the_size_budget(start, shelf, guessing):
    shelf.flatbuffers["qat_w4a8"] = guessing

    start(Goal(max_drop=0.1, size_budget=5000)).auto(list(STRATEGIES))

    assert shelf.settings["qat_mixed"].mixed.size_ratio == pytest.approx(0.98 * 5000 / 7232)
    assert shelf.settings["qat_w4a8"].mixed.size_ratio == QuantizeParams().mixed.size_ratio


@pytest.mark.slow
def test_a_budget_that_nothing_fits_is_told_the_nearest(start, shelf, guessing):
    with pytest.raises(ParamsError, match=f"nearest is ptq_w4a8 with {len(guessing)} bytes"):
        start(Goal(size_budget=100)).auto(list(STRATEGIES))
    assert shelf.asked == ["ptq_w8a8", "ptq_w4a8"]
    with pytest.raises(ParamsError, match="ptq_w8a8 makes 7232 bytes, more than the size budget of 100"):
        start(Goal(size_budget=100)).only("ptq_w8a8")


@pytest.mark.slow
def test_what_cannot_end_in_time_is_not_started(start, shelf):
    result = start(clock=Clock(0.001)).auto(list(STRATEGIES))

    assert not any(STRATEGIES[name].trained for name in shelf.asked)
    reasons = {trial.strategy: trial.reason for trial in result.trials if trial.status == "skipped"}
    assert "of the time budget are left" in reasons["qat_w4a8"]


@pytest.mark.slow
def test_every_measured_candidate_has_figures_and_the_front_is_theirs(start):
    told = []
    result = start(on_trial=told.append).auto(list(STRATEGIES))
    facts = result.to_dict()

    assert [trial.strategy for trial in told] == [trial.strategy for trial in result.trials]
    for line in facts["candidates"]:
        figures = [line[name] for name in ("accuracy", "agreement", "size_bytes", "latency_us")]
        assert (None in figures) == (line["status"] != "measured")
        assert bool(line["reason"]) == (line["status"] != "measured")
    assert result.strategy in {trial.strategy for trial in result.pareto_front}
    chosen = next(line for line in facts["candidates"] if line["strategy"] == facts["strategy"])
    assert facts["tflite_accuracy"] == chosen["accuracy"]
    assert facts["latency_us"] == chosen["latency_us"]
    assert facts["widths"] == {"hidden": 8}
    assert facts["notes"] == ["a note"]


@pytest.mark.slow
def test_trying_everything_makes_everything_and_finds_nothing_better(start, shelf):
    everything, searched = start().auto(list(STRATEGIES), exhaustive=True), start().auto(list(STRATEGIES))

    assert set(outcomes(everything).values()) == {"measured"}
    assert everything.flatbuffer == searched.flatbuffer


@pytest.mark.slow
def test_one_strategy_is_made_and_nothing_else(start, shelf):
    result = start().only("ptq_w8a8")

    assert shelf.asked == ["ptq_w8a8"]
    assert outcomes(result) == {"float32": "measured", "ptq_w8a8": "measured"}
    assert result.reason == "the strategy that was asked for"
    assert start().only("float32").strategy == "float32"
    assert "more than 0.1" in start().only("ptq_w4a8").reason


@pytest.mark.slow
def test_the_failure_of_the_one_strategy_is_the_users_to_see(start, shelf):
    shelf.flatbuffers["ptq_w8a8"] = ConversionError("no kernel")

    with pytest.raises(ConversionError, match="no kernel"):
        start().only("ptq_w8a8")
