import math

import pytest

from qatflow.errors import ParamsError
from qatflow.params.quantize import QuantizeParams
from qatflow.search.options import Goal, Options


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({"max_drop": -0.1}, "max-drop is -0.1; it is a share from 0 to 1"),
        ({"max_drop": 1.5}, "from 0 to 1"),
        ({"max_drop": math.nan}, "from 0 to 1"),
        ({"size_budget": 0}, "number of bytes"),
        ({"time_budget": 0.0}, "number of seconds"),
        ({"time_budget": math.inf}, "number of seconds"),
    ],
)
def test_limits_out_of_range(limits, words):
    with pytest.raises(ParamsError, match=words):
        Goal(**limits)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"task": "poetry"}, "Unknown task 'poetry'. Known: anomaly, classification, multi_label, regression"),
        ({"epochs": 0}, "epochs is 0"),
        ({"max_samples": -1}, "max-samples is -1"),
        ({"seed": -1}, "seed is -1"),
        ({"layers": {"a": 5}}, "layers wants 5 for 'a'; a layer has 4 or 8 bits, or is \"float\""),
    ],
)
def test_options_out_of_range(wrong, words):
    with pytest.raises(ParamsError, match=words):
        Options(**wrong)


def test_layers_join_those_of_the_settings():
    settings = QuantizeParams(layers={"a": 8, "b": 4})

    assert Options(layers={"b": "float"}, settings=settings).quantization.layers == {"a": 8, "b": "float"}


def test_epochs_reach_the_engine_and_leave_the_rest():
    options = Options(epochs=3)

    assert options.quantization.training.epochs == 3
    assert options.quantization.training.batch_size == options.settings.training.batch_size
    assert Options().quantization is not None
    assert Options().quantization.training == Options().settings.training
