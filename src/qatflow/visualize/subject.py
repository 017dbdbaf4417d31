"""What is drawn: a bundle, with its float model and data where they are at hand."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from qatflow.artifacts import Array
from qatflow.data.prepared import PreparedData
from qatflow.errors import DataError
from qatflow.evaluation.metrics import judged
from qatflow.release.bundle import load_bundle
from qatflow.release.own_data import OwnData, prepare_for
from qatflow.report.around import data_of, float_model_of
from qatflow.report.channels import matched
from qatflow.tflite.inspect import LayerWeights, layer_weights
from qatflow.tflite.runtime import Runner

BATCH_SIZE = 256


@dataclass(frozen=True, eq=False)
class Subject:
    """A flatbuffer and what belongs to it; None is what is not at hand.

    Attributes:
        name: Its strategy.
        task: Name in `evaluation.tasks.TASKS`.
    """

    name: str
    task: str
    model: bytes = field(repr=False)
    float_model: bytes | None = field(default=None, repr=False)
    data: PreparedData | None = None

    @cached_property
    def layers(self) -> list[LayerWeights]:
        """Its weights, in the order in which the layers run."""
        return layer_weights(self.model)

    @cached_property
    def originals(self) -> dict[int, LayerWeights]:
        """Place of a layer -> the float model's, where both have one shape."""
        if self.float_model is None:
            return {}
        pairs = matched(layer_weights(self.float_model), self.layers)
        places = {id(layer): place for place, layer in enumerate(self.layers)}
        return {places[id(layer)]: original for original, layer in pairs}

    @cached_property
    def outputs(self) -> Array:
        """What it says of the test split, see `evaluation.metrics.judged`; asked only where there are data."""
        if self.data is None:
            raise ValueError("there are no data")
        runner = Runner(self.model)
        return np.concatenate([judged(self.task, x, runner.predict(x)) for x, _ in self.data.test.batches(BATCH_SIZE)])


def open_subject(path: Path, float_model: Path | None, own: OwnData | None, folder: Path, near: Path) -> Subject:
    """Read a bundle, and its float model and data from where the user says, else from the project around.

    Args:
        path: The bundle's folder.
        float_model: A .tflite file.
        own: The user's data.
        folder: New; the user's data are prepared there.
        near: Where the user is.

    Raises:
        ArtifactError: If the bundle, or what the project holds, was altered.
        DataError: If the float model cannot be read, or the data do not fit.
    """
    bundle = load_bundle(path)
    given = None if float_model is None else _read(float_model)
    return Subject(
        name=bundle.manifest.strategy,
        task=bundle.manifest.task,
        model=bundle.model,
        float_model=given or float_model_of(bundle, path, near),
        data=prepare_for(bundle.manifest, own, folder) if own else data_of(bundle, path, near),
    )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"Cannot read the float model {path}: {error.strerror}; --float names a .tflite file") from None
