"""What must hold for whatever a stranger brings, by every strategy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from qatflow.errors import QATFlowError
from qatflow.params.compression import CompressionParams
from qatflow.params.quantize import CorrectionParams, MixedParams, QatParams, QuantizeParams
from qatflow.quantization import STRATEGIES
from qatflow.quantization.run import Made, make
from qatflow.search.inputs import take_inputs
from qatflow.search.options import Options
from qatflow.tflite.convert import convert_float
from qatflow.tflite.inspect import inventory
from qatflow.tflite.runtime import Runner
from tests.fuzz.drawing import Array
from tests.fuzz.stranger import Stranger

SETTINGS = QuantizeParams(
    calibration_samples=120,
    corrections=CorrectionParams(adaround=False),
    training=QatParams(epochs=1, batch_size=48, learning_rate=2e-4),
    mixed=MixedParams(probe_samples=16, size_ratio=0.95),
    compression=CompressionParams(epochs=1, channels=0.2, multiple_of=2, energy=0.95, sparsity=0.3),
)
"""Small enough to try thousands of models; learned rounding, 1,000 steps a layer, has tests of its own."""


@dataclass(frozen=True)
class Find:
    """Something that does not hold.

    Attributes:
        seed: Draws the model again.
        strategy: Or `float32`, where the float flatbuffer is wrong already.
        kind: Name of the invariant.
        figure: What was measured, in words.
    """

    seed: int
    strategy: str
    kind: str
    figure: str


ALWAYS = ("ptq_w8a8", "ptq_w4a8")
IN_TURN = tuple(name for name in STRATEGIES if name not in {*ALWAYS, "float32"})


def turn(seed: int) -> tuple[str, ...]:
    """Return the strategies whose turn it is: the cheap ones always, of the others one, by seed."""
    return (*ALWAYS, IN_TURN[seed % len(IN_TURN)])


def finds(brought: Stranger, strategies: tuple[str, ...]) -> Iterator[Find]:
    """Quantize what was brought by each strategy and yield what does not hold."""
    try:
        inputs = take_inputs(brought.model, brought.data, Options(task=brought.task, settings=SETTINGS))
        float_model = convert_float(inputs.model)
    except Exception as error:
        yield from _raised(brought, "float32", error)
        return
    reference = Runner(float_model).predict(brought.x_test)
    told = brought.told()
    if not np.allclose(_flat(reference), told, atol=1e-3 * (1 + np.abs(told).max()), rtol=1e-2):
        yield Find(brought.seed, "float32", "float", f"differs by {np.abs(_flat(reference) - told).max():.3g}")
        return
    sizes: dict[str, int] = {"float32": len(float_model)}
    unrolled: set[str] = set()
    for strategy in strategies:
        try:
            made = make(strategy, inputs.model, inputs.data, SETTINGS, seed=brought.seed)
        except Exception as error:
            yield from _raised(brought, strategy, error)
            continue
        sizes[strategy] = len(made.flatbuffer)
        if any("written out" in note for note in made.notes):
            unrolled.add(strategy)
        for kind, figure in _broken(made, brought, reference):
            yield Find(brought.seed, strategy, kind, figure)
    for narrow, wide in (("ptq_w4a8", "ptq_w8a8"), ("qat_w4a8", "qat_w8a8_per_channel"), ("ptq_w8a8", "float32")):
        if narrow not in unrolled and sizes.get(narrow, 0) > sizes.get(wide, 1 << 60) + SLACK_BYTES:
            yield Find(brought.seed, narrow, "size", f"{sizes[narrow]} bytes, {wide} {sizes[wide]}")


EXPECTED = "expected"
RIGHT = (
    "meets the budget",  # of a model so small that its scales weigh more than its weights
    "of the multiply-accumulates can go",
    "is called 2 times",
    "has factors that keep",
    "has no sample in split",  # of a class that was made too rare
    "has no 16-bit kernel",  # LayerNormalization, on which LiteRT aborts
    "TFLite made no INT8 weights",  # dynamic_range leaves kernels of fewer than 1024 weights in float
)
"""Words of refusals that are right."""
SLACK_BYTES = 3000
"""What scales and zero points of many small tensors may cost where there are few weights to save."""


def _kind(error: Exception) -> str:
    if any(words in str(error) for words in RIGHT):
        return EXPECTED
    return f"refused: {type(error).__name__}" if isinstance(error, QATFlowError) else f"crash: {type(error).__name__}"


def _raised(brought: Stranger, strategy: str, error: Exception) -> Iterator[Find]:
    if _kind(error) != EXPECTED:
        yield Find(brought.seed, strategy, _kind(error), f"{error!r:.300}")


def _broken(made: Made, brought: Stranger, reference: Array) -> Iterator[tuple[str, str]]:
    x = brought.x_test
    runner = Runner(made.flatbuffer)
    y = runner.predict(x)
    if not np.isfinite(y).all():
        yield "finite", "the flatbuffer gives NaN or infinity"
        return
    if not np.array_equal(y, Runner(made.flatbuffer, batch_size=1).predict(x)):
        yield "batch", "a batch is answered otherwise than one by one"
    yield from _integer(made)
    yield from _parity(made, runner, x, y)
    yield from _quality(made, brought, reference, y)


def _integer(made: Made) -> Iterator[tuple[str, str]]:
    floats = inventory(made.flatbuffer)["tensor_dtypes"].get("FLOAT32", 0)
    if floats and "a8" in made.strategy and not any("float" in note for note in made.notes):
        yield "integer", f"{floats} tensors are float and nothing says so"


def _parity(made: Made, runner: Runner, x: Array, y: Array) -> Iterator[tuple[str, str]]:
    """The flatbuffer is its fake-quant twin, but for roundings."""
    untreated = any("quantized by the converter" in note or "stay float" in note for note in made.notes)
    if not made.quantized.plan.outputs or not runner.output.scale or untreated:
        return
    steps = np.abs(_flat(y) - _flat(made.model.predict(x, verbose=0))) / runner.output.scale
    share = float(np.mean(steps < 1.5))
    if share < (0.8 if "w8" in made.strategy else 0.6):  # errors of 4-bit models of a few weights grow to the end
        yield "parity", f"{share:.1%} of the outputs within one step of the fake-quant model"


def _quality(made: Made, brought: Stranger, reference: Array, y: Array) -> Iterator[tuple[str, str]]:
    """Answers stay near the float model's, or somebody is told that they do not."""
    before, after = brought.score(_flat(reference)), brought.score(_flat(y))
    noise = 2 / np.sqrt(len(y)) * (brought.task == "classification")
    if after >= before - noise - (0.08 if made.strategy in FAITHFUL else 0.25):
        return
    told = any(words in note for note in made.notes for words in ("get few", "are clipped", "levels"))
    if not told and (made.strategy in FAITHFUL or made.alarm is None):
        yield "quality", f"{before:.3f} in float, {after:.3f} quantized; {brought.faults}; {made.alarm}; {made.notes}"


FAITHFUL = (
    "dynamic_range",
    "float16",
    "ptq_w8a8",
    "ptq_w8a16",
    "qat_w8a8_per_channel",
    "qat_w8a8_per_tensor",
    "qat_w8a16",
)
"""Strategies whose answers are the float model's, whatever it is; of the others a step of training is not enough."""


def _flat(y: Any) -> Array:
    return np.asarray(y).reshape(len(y), -1)
