"""From a float model and a strategy's name to a flatbuffer, in one call."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from qatflow.artifacts import Array
from qatflow.backend import keras
from qatflow.data.prepared import PreparedData
from qatflow.errors import ParamsError, lookup
from qatflow.evaluation.alarm import Alarm
from qatflow.params.quantize import QuantizeParams
from qatflow.progress import Progress, silent
from qatflow.quantization import STRATEGIES
from qatflow.quantization.alarm import alarm_of
from qatflow.quantization.base import History, Strategy, Trained, Work
from qatflow.quantization.deployed import Deployable, device_form
from qatflow.quantization.grid import WIDTHS
from qatflow.quantization.overrides import overrides_of
from qatflow.quantization.plan import COMPOSITE, NORMALIZING
from qatflow.quantization.recurrent import unrolled_notes
from qatflow.tflite.inspect import inventory


@dataclass(frozen=True, eq=False)
class Made:
    """A quantized model and what it was made of.

    Attributes:
        strategy: Its name.
        flatbuffer: What deploys.
        model: The fake-quant model, rounding as the device does; the float model for strategies without fake-quants.
        history: An entry an epoch; empty if nothing was trained.
        widths: Layer -> bits of its weights.
        notes: A line for each thing that was treated otherwise than asked.
        quantized: What `store.save_quantized` keeps.
        alarm: What is badly wrong with it; None for nothing.
    """

    strategy: str
    flatbuffer: bytes
    model: keras.Model
    history: History
    widths: Mapping[str, int]
    notes: tuple[str, ...]
    quantized: Deployable
    alarm: Alarm | None = None


def find_strategy(name: str) -> Strategy:
    """Return the strategy of a name.

    Raises:
        ParamsError: If there is none; the message says why for other widths, else it lists the known ones.
    """
    check_width(name)
    return lookup("quantization strategy", name, STRATEGIES)


def check_width(name: str) -> None:
    """Check that a strategy's name asks for no width that TFLite cannot keep.

    Raises:
        ParamsError: If it does; the message says why.
    """
    found = re.search(r"_w(\d+)a\d+", name)
    if name not in STRATEGIES and found and int(found[1]) not in WIDTHS:
        raise ParamsError(
            f"Strategy '{name}' asks for {found[1]}-bit weights, whose grid does not survive the conversion to TFLite. "
            f"Known widths: {', '.join(map(str, WIDTHS))}."
        )


def make(  # noqa: PLR0913 (what can be left out has a default)
    strategy: str,
    model: keras.Model,
    data: PreparedData,
    settings: QuantizeParams,
    *,
    seed: int,
    progress: Progress = silent,
    compressed: dict[str, Any] | None = None,
    calibration: Array | None = None,
) -> Made:
    """Prepare, train and convert.

    Args:
        strategy: A name of `STRATEGIES`.
        model: Float model of the data's input shape and task; stays as it is.
        data: Training and validation samples.
        settings: Section `quantize` of params.yaml.
        seed: Order of the samples, and of whatever else is drawn.
        progress: Told how far it is.
        compressed: Kept between calls for the same model and data, lets strategies share what compression trains.
        calibration: Model inputs (n, *shape) float32 that calibrate instead of training samples.

    Raises:
        ConversionError: If the flatbuffer would not be what the strategy's name promises.
        ModelError: If the model cannot be quantized, or training loses it.
        ParamsError: If there is no such strategy, or a budget cannot be met.
    """
    chosen = find_strategy(strategy)
    keras.utils.set_random_seed(seed)
    shared = {} if compressed is None else compressed
    work = Work(data, settings, seed, strategy, progress, compressed=shared, samples=calibration)
    quantized, history, _ = quantized_by(chosen, model, work)
    flatbuffer = chosen.convert(quantized, work.calibration())
    twin = device_form(quantized) if quantized.plan.layers else quantized.model
    return Made(
        strategy=strategy,
        flatbuffer=flatbuffer,
        model=twin,
        history=history,
        widths=quantized.plan.weights,
        notes=notes_on(strategy, quantized, flatbuffer),
        quantized=quantized,
        alarm=alarm_of(flatbuffer, quantized, twin, data),
    )


def quantized_by(strategy: Strategy, model: keras.Model, work: Work, teacher: keras.Model | None = None) -> Trained:
    """Compress, prepare and train; the history has the epochs of both trainings.

    Args:
        strategy: What to do.
        model: Float model; stays as it is.
        work: Data and settings.
        teacher: Anything with `predict_on_batch`, to learn from; the float model by default.

    Raises:
        QATFlowError: See `Strategy`.
    """
    work = replace(work, layers=overrides_of(model, work.settings.layers))
    small, before = strategy.compress(model, work)
    keras.utils.set_random_seed(work.seed)  # whatever was drawn, or shared, until now
    found = strategy.train(strategy.prepare(small, work), teacher or model, work)
    after = [{**epoch, "epoch": epoch["epoch"] + len(before)} for epoch in found.history]
    return found._replace(history=[*before, *after])


def notes_on(strategy: str, quantized: Deployable, flatbuffer: bytes) -> tuple[str, ...]:
    """Return a line for each range that was cut, for each layer whose weights had no fake-quants, and one for operators
    that stay float.
    """
    plan = quantized.plan
    untreated = [
        f"{layer.name} ({type(layer).__name__}): trains in float, quantized by the converter"
        for layer in (quantized.model.layers if plan.layers else ())
        if layer.weights and layer.name not in plan.weights and layer.name not in quantized.floats
        if layer.name not in plan.outputs or hasattr(layer, "kernel") or isinstance(layer, (*COMPOSITE, *NORMALIZING))
    ]
    return (
        *quantized.reach.notes,
        *unrolled_notes(quantized.model, flatbuffer),
        *untreated,
        *(f"{name}: float32, as quantize.layers wants" for name in sorted(quantized.floats)),
        *(_float_notes(flatbuffer) if not quantized.floats and (plan.layers or "_w" in strategy) else ()),
    )


def _float_notes(flatbuffer: bytes) -> tuple[str, ...]:
    floats = inventory(flatbuffer)["tensor_dtypes"].get("FLOAT32", 0)
    return (f"{floats} tensors stay float: TFLite has no integer form of some operators",) if floats else ()
