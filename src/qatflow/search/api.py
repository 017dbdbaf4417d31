"""`qatflow.quantize` and `qatflow.auto_quantize`."""

from dataclasses import replace
from functools import partial
from typing import Any

from qatflow.extras import named
from qatflow.progress import shown
from qatflow.quantization import STRATEGIES
from qatflow.quantization.overrides import overrides_of
from qatflow.quantization.run import make
from qatflow.quiet import hushed
from qatflow.search.clock import Clock
from qatflow.search.inputs import take_inputs
from qatflow.search.loop import Search
from qatflow.search.names import AUTO, check_strategy
from qatflow.search.options import Goal, Options
from qatflow.search.remarks import SAMPLES, remarks
from qatflow.search.result import SearchResult


@named("qatflow.quantize")
def quantize(
    model: Any, data: Any, strategy: str = AUTO, *, goal: Goal | None = None, options: Options | None = None
) -> SearchResult:
    """Quantize a Keras model by one strategy, or by the best one that `auto_quantize` finds.

    Args:
        model: A tf_keras or Keras 3 model, or the path of a `.keras` or `.h5` file. It is left alone.
        data: Path of an .npz, a .csv, a folder of images or of idx files; `digits`; arrays x, (x, y) or
            (x_train, y_train, x_test, y_test); or PreparedData. They go into the model as they are.
        strategy: Name of a strategy, such as `ptq_w8a8` or `qat_w4a8`, or `auto`.
        goal: Limits.
        options: How data are read and models are made.

    Returns:
        The flatbuffer with its figures on the test split, measured on the flatbuffer.

    Raises:
        ParamsError: If the strategy or another setting is unknown or out of range, or nothing meets the size budget.
        ModelError: If the model cannot be used.
        DataError: If the data cannot be used.
        ConversionError: If the strategy cannot express the model.

    Example:
        >>> result = qatflow.quantize(model, (x, y), "ptq_w8a8")
        >>> result.strategy, result.metric, len(result.flatbuffer) < 10_000
        ('ptq_w8a8', 'accuracy', True)
    """
    check_strategy(strategy)
    goal, options = goal or Goal(), options or Options()
    with hushed(), shown(options.progress) as told:
        return _found(model, data, strategy, goal, replace(options, progress=told))


def _found(model: Any, data: Any, strategy: str, goal: Goal, options: Options) -> SearchResult:
    clock = Clock(goal.time_budget if strategy == AUTO else None)
    inputs = take_inputs(model, data, options)
    overrides_of(inputs.model, options.quantization.layers)  # refused now, and not once in each candidate
    maker = partial(make, compressed={}, calibration=inputs.calibration)
    search = Search(inputs.model, inputs.data, goal, options, make=maker, clock=clock)
    result = search.auto(list(STRATEGIES)) if strategy == AUTO else search.only(strategy)
    seen = remarks(inputs.model, inputs.data.train.arrays(SAMPLES)[0])
    return replace(result, notes=(*inputs.notes, *seen, *result.notes))


@named("qatflow.auto_quantize")
def auto_quantize(  # noqa: PLR0913 (limits, each with a default)
    model: Any,
    data: Any,
    *,
    max_drop: float = 0.01,
    size_budget: int | None = None,
    time_budget: float | None = None,
    compressed: bool = False,
    options: Options | None = None,
) -> SearchResult:
    """Find the flatbuffer of fewest bytes that loses at most `max_drop` against the float model.

    Cheap candidates come first; training is started only where it could still win. If nothing within `size_budget`
    loses so little, the best that fits is returned, and `SearchResult.reason` says so.

    Args:
        model: See `quantize`.
        data: See `quantize`.
        max_drop: Most that accuracy (R², AUC) may lose on the validation split, as a share.
        size_budget: Most bytes that the flatbuffer may have.
        time_budget: Seconds; nothing is started that is expected to end later.
        compressed: See `Goal`: count the bytes that travel, so that pruning and clustering can win.
        options: How data are read and models are made.

    Raises:
        QATFlowError: See `quantize`.

    Example:
        >>> quick = qatflow.Options(epochs=1, max_samples=300, latency_runs=5)
        >>> found = qatflow.auto_quantize(model, (x, y), max_drop=0.5, options=quick)
        >>> found.reason.startswith(("the smallest of ", "the only candidate"))
        True
        >>> min(trial.size_bytes for trial in found.pareto_front) <= len(found.flatbuffer)
        True
    """
    return quantize(model, data, goal=Goal(max_drop, size_budget, time_budget, compressed), options=options)
