"""A few of the models that `make fuzz` draws by the thousand, and what was found among those."""

from __future__ import annotations

import importlib
from dataclasses import replace

import numpy as np
import pytest

from qatflow.quantization.run import make
from qatflow.search.inputs import take_inputs
from qatflow.search.options import Options
from qatflow.tflite.runtime import Runner
from tests.fuzz.invariants import SETTINGS, finds, turn
from tests.fuzz.stranger import Stranger, stranger

pytestmark = [pytest.mark.slow, pytest.mark.long]
FACTOR = 2.0**-10
"""A power of two, so that nothing but the scale of the data changes."""


@pytest.mark.parametrize("seed", range(10))
def test_what_a_stranger_brings_keeps_every_promise(seed: int) -> None:
    brought = stranger(seed)

    assert list(finds(brought, turn(seed))) == [], "\n".join(brought.recipe)


def in_other_units(brought: Stranger) -> Stranger:
    """Return the same model for data in other units, behind a Rescaling that takes them back."""
    keras = importlib.import_module(type(brought.model).__module__.partition(".")[0])
    inputs = keras.Input(brought.x_train.shape[1:])
    model = keras.Model(inputs, brought.model(keras.layers.Rescaling(1 / FACTOR)(inputs)))
    return replace(brought, model=model, x_train=brought.x_train * FACTOR, x_test=brought.x_test * FACTOR)


@pytest.mark.parametrize("strategy", ["ptq_w8a8", "ptq_w4a8"])
@pytest.mark.parametrize("seed", [1, 4])
def test_the_units_of_the_data_change_no_answer(seed: int, strategy: str) -> None:
    first = stranger(seed)
    scores = []
    for brought in (first, in_other_units(first)):
        inputs = take_inputs(brought.model, brought.data, Options(task=brought.task, settings=SETTINGS))
        made = make(strategy, inputs.model, inputs.data, SETTINGS, seed=0)
        outputs = Runner(made.flatbuffer).predict(brought.x_test)
        scores.append(brought.score(outputs.reshape(len(outputs), -1)))

    assert scores[1] == pytest.approx(scores[0], abs=0.05)
    if strategy == "ptq_w8a8":  # four bits without learned rounding may lose more
        assert min(scores) > first.score(first.told()) - 0.15
    assert np.isfinite(scores).all()
