"""What a course begins with: a project's prepared data and quantized model, and the bundle that predicts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from qatflow import artifacts
from qatflow.data.prepared import PreparedData, open_prepared
from qatflow.errors import DataError, ParamsError
from qatflow.online.candidates import Judge
from qatflow.online.course import Course, Parts
from qatflow.online.intake import Intake
from qatflow.online.learner import Learner, learning_strategy
from qatflow.online.replay import Replay
from qatflow.params.root import Params
from qatflow.quantization.store import load_quantized
from qatflow.release.bundle import Bundle, load_bundle


@dataclass(frozen=True)
class Source:
    """Where a course begins.

    Attributes:
        strategy: Name of the strategy that goes on.
        quantized: Sealed folder of the quantized model.
        data: The project's data.
        champion: The bundle that predicts.
    """

    strategy: str
    quantized: Path
    data: PreparedData
    champion: Bundle


def open_source(root: Path, params: Params, champion: Path) -> Source:
    """Return what a project offers.

    Raises:
        ArtifactError: If an output of a stage, or the bundle, is missing or altered.
        DataError: If the task is no classification, the bundle has one output for two classes, or it is of other
            classes or shapes. It may have further classes behind those of the data.
        ParamsError: If no strategy of `quantize.variants` can learn on.
    """
    data, bundle = open_prepared(root / "artifacts" / "prepare"), load_bundle(champion)
    if data.task != "classification":
        raise DataError(f"Online learning takes classifiers; the task of {root} is {data.task}")
    if bundle.manifest.output.size == 1:
        raise DataError(
            f"{champion} tells two classes apart by one output, and a stream may bring a third; to learn from one, end "
            "the model in a softmax of two units"
        )
    known = bundle.manifest.labels[: len(data.class_names)]
    if (known, bundle.manifest.input.shape) != (data.class_names, data.input_shape):
        raise DataError(f"{champion} is of other classes or shapes than the prepared data of {root}")
    columns = bundle.manifest.features
    if columns and data.feature_names and columns != data.feature_names:
        raise DataError(f"{champion} is of other columns, or of another order, than the prepared data of {root}")
    strategy = _strategy(params)
    quantized = root / "artifacts" / "quantize" / strategy
    artifacts.verify(quantized)
    return Source(strategy, quantized, data, bundle)


def begin(source: Source, params: Params) -> Course:
    """Return a course in its first state.

    Training samples are replayed beside the stream's own, so that what the model knew stays.

    Raises:
        ModelError: If the stored model is not what its strategy makes, or its head cannot grow where it is to.
        ParamsError: If a setting is not right.
    """
    settings, data, names = params.online, source.data, source.champion.manifest.labels
    learner = Learner(source.strategy, load_quantized(source.quantized), settings, data.num_outputs, params.seed)
    if len(names) > learner.classes:
        learner.grow(len(names))
    if settings.max_classes is not None:
        learner.check_growth()
    replay = Replay(data.train.arrays(limit=settings.reservoir), settings.reservoir, params.seed)
    calibration, _ = data.train.arrays(limit=params.quantize.calibration_samples)
    parts = Parts(Intake.of(data, settings, names), learner, replay, Judge(*data.test.arrays(), settings))
    return Course(parts, source.champion.model, calibration, settings)


def _strategy(params: Params) -> str:
    if params.online.strategy is not None:
        learning_strategy(params.online.strategy)
        if params.online.strategy not in params.quantize.variants:
            raise ParamsError(f"online.strategy {params.online.strategy} is none of quantize.variants: nothing made it")
        return params.online.strategy
    for variant in params.quantize.variants:
        try:
            learning_strategy(variant)
        except ParamsError:
            continue
        return variant
    raise ParamsError("None of quantize.variants is trained without compression; add qat_w8a8_per_channel")
