"""What a quantization strategy is."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

import numpy as np

from qatflow.artifacts import Array
from qatflow.backend import keras
from qatflow.data.prepared import PreparedData
from qatflow.params.quantize import QuantizeParams
from qatflow.progress import Progress, silent
from qatflow.quantization.deployed import Deployable
from qatflow.quantization.overrides import Overrides
from qatflow.quantization.reach import WHOLE, Reach, survey
from qatflow.quantization.sensitivity import LayerSensitivity


@dataclass(frozen=True, eq=False)
class Work:
    """What a strategy works with.

    Attributes:
        data: Training and validation samples; the first training samples calibrate.
        settings: Section `quantize` of params.yaml.
        seed: Order of the samples, and of whatever else is drawn.
        label: Short phrase for progress.
        sensitivity: How much each layer suffers at 4 bits, once a strategy has measured that.
        compressed: What compression trained so far, for strategies that begin alike with the same model and data.
        reach: Where ranges were cut: calibration samples are clipped to its limits.
        layers: What the user wants of single layers, see `overrides.overrides_of`.
        samples: Model inputs (n, *shape) float32 that calibrate instead of training samples; None for those.
    """

    data: PreparedData
    settings: QuantizeParams
    seed: int
    label: str = "quantizing"
    progress: Progress = silent
    sensitivity: list[LayerSensitivity] = field(default_factory=list)
    compressed: dict[str, tuple[list[Array], "History"]] = field(default_factory=dict)
    reach: Reach = WHOLE
    layers: Overrides = field(default_factory=dict)
    samples: Array | None = None

    def calibration(self) -> Array:
        """Return the preprocessed samples that calibrate, (n, *shape) float32."""
        own = self.samples
        samples = self.data.train.arrays(limit=self.settings.calibration_samples)[0] if own is None else own
        return np.asarray(self.reach.clip(samples))

    def surveyed(self, model: keras.Model, bits: int = 8) -> Reach:
        """Return how far the grid of a float model's input is to reach; `bits` are those of the input."""
        names = self.data.card.feature_names
        return survey(model, self.calibration(), self.data.task, bits, names)


History = list[dict[str, float]]


class Trained(NamedTuple):
    """A quantized model, its training an entry an epoch, and how its grids moved meanwhile (see `trace.Trace`)."""

    quantized: Deployable
    history: History
    trace: Mapping[str, Any] = MappingProxyType({})


class Strategy(Protocol):
    """Turns a trained float model into a flatbuffer of the promised number format.

    Names carry bit widths: `w4a8` has 4-bit weights and 8-bit activations. `ptq` is post-training quantization, `qat`
    quantization-aware training. Equal models, data and seeds give equal bytes, in any process on one kind of machine.
    """

    @property
    def trained(self) -> bool:
        """Whether `train` trains."""

    @property
    def compressions(self) -> tuple[str, ...]:
        """Names of `compression.COMPRESSIONS`, in the order in which `compress` applies them."""

    def compress(self, model: keras.Model, work: Work) -> tuple[keras.Model, History]:
        """Return the float model to quantize: the model itself, or a smaller one, trained in float.

        Raises:
            ModelError: If the model has no graph, or a layer that cannot be copied; or if the loss is lost.
            ParamsError: If it asks for what this model cannot give.
        """

    def prepare(self, model: keras.Model, work: Work) -> Deployable:
        """Plan, calibrate and correct without training; the model stays as it is.

        Raises:
            ModelError: If the model has no graph, or a layer that cannot be copied.
        """

    def train(self, prepared: Deployable, model: keras.Model, work: Work) -> Trained:
        """Train what `prepare` returned, with the float `model` as teacher; for untrained strategies do nothing.

        Raises:
            ModelError: If the loss became NaN or infinite.
        """

    def convert(self, quantized: Deployable, representative: Iterable[Array]) -> bytes:
        """Return the flatbuffer.

        Args:
            quantized: What `train` returned.
            representative: Preprocessed samples, each (*shape) float32, that show the range of activations.

        Raises:
            ConversionError: If the flatbuffer would not be what the strategy's name promises.
        """
