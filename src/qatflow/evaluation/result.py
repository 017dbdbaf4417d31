"""The types of evaluation.json and timings.json: what repeats exactly, and times. Written and read here only.

A figure that a door does not measure is None or empty, and not written: an ensemble of bundles has no float model.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import ConfigDict, Field

from qatflow.results import Part, Result, known

Interval = tuple[float, float]


class ClassFigures(Part):
    """One class or label; `support` is the number of its test samples."""

    precision: float
    recall: float
    f1: float
    support: int


class Metrics(Part):
    """All metrics of a task, see `evaluation.metrics.measure`.

    Attributes:
        ece: Expected calibration error; None unless the task is classification.
        per_class: By name; empty where the task has no classes.
        confusion_matrix: Rows are the truth; empty unless the task is classification.
    """

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, float]
    ece: float | None = None
    per_class: dict[str, ClassFigures] = Field(default_factory=dict)
    confusion_matrix: tuple[tuple[int, ...], ...] = ()

    @property
    def figures(self) -> dict[str, float]:
        """The metrics that are single numbers, by name, sorted."""
        ece = {} if self.ece is None else {"ece": self.ece}
        return dict(sorted((self.__pydantic_extra__ | ece).items()))


class ModelFigures(Part):
    """What is told of every flatbuffer on the test split.

    Attributes:
        score: The task's figure of merit, higher is better.
        size_bytes: Uncompressed; `size_deflate_bytes` and `size_zstd_bytes` compressed, see `sizes.sizes`.
    """

    score: float
    metrics: Metrics
    size_bytes: int
    size_deflate_bytes: int
    size_zstd_bytes: int
    sha256: str


class Validation(Part):
    """Scores of the flatbuffer and of the float one on the validation split, by `metric`."""

    metric: str
    samples: int
    score: float
    float_score: float


class LayerContents(Part):
    """Counts of the stored weights of one operator, of zeros and of distinct values among them."""

    name: str
    weights: int
    zeros: int
    distinct: int


class Compression(Part):
    """What pruning and clustering left; `sparsity` is the share of zeros among all weights."""

    layers: tuple[LayerContents, ...]
    sparsity: float


class Histogram(Part):
    """Counts of values between edges, of which there is one more."""

    edges: tuple[float, ...]
    counts: tuple[int, ...]


class Layer(Part):
    """What quantization did to the weights of one operator; None where the float model has no such layer.

    Attributes:
        dtype: As stored, such as INT4.
        sqnr_db: Signal-to-quantization-noise ratio in dB; None too where there is no noise.
    """

    name: str
    operator: str
    dtype: str
    weights_histogram: Histogram
    error_histogram: Histogram | None
    sqnr_db: float | None


class Inventory(Part):
    """Numbers of operators and of tensors, and bytes of constants, each by type; see `tflite.inspect.inventory`."""

    operators: dict[str, int] = Field(default_factory=dict)
    tensor_dtypes: dict[str, int] = Field(default_factory=dict)
    weight_bytes: dict[str, int] = Field(default_factory=dict)


class Evaluation(Result, ModelFigures):
    """What evaluation.json holds: one flatbuffer on the test split, beside the float one where there is one.

    Attributes:
        metric: Name of the score; None in files of before it was written, for the task's usual one.
        samples: Of the test split.
        score_interval: Wilson's 95 % interval; None where the score is no share of samples.
        float_model: Its figures on the same samples; `float` in the file.
        mcnemar_float_p: How likely a difference from it as large as this is chance.
        agreement_float: Share of samples with its answer; `agreement_fake_quant` and `agreement_kernels` likewise with
            the fake-quant model and LiteRT's reference kernels.
        lsb_histogram_fake_quant: Difference in steps of the output tensor -> count; `lsb_histogram_kernels` likewise.
        validation: None without validation samples.
    """

    FILE: ClassVar[str] = "evaluation.json"

    task: str
    metric: Literal["accuracy", "r2", "auc", "reconstruction_r2"] | None = None
    samples: int
    score_interval: Interval | None = None
    float_model: ModelFigures | None = Field(default=None, alias="float")
    mcnemar_float_p: float | None = None
    agreement_float: float | None = None
    agreement_fake_quant: float | None = None
    agreement_kernels: float | None = None
    lsb_histogram_fake_quant: dict[str, int] | None = None
    lsb_histogram_kernels: dict[str, int] | None = None
    validation: Validation | None = None
    compression: Compression | None = None
    inventory: Inventory = Inventory()
    layers: tuple[Layer, ...] = ()

    @property
    def reference(self) -> ModelFigures:
        """The float model's figures.

        Raises:
            ArtifactError: If there is none, as the next one.
        """
        return known(self.float_model, "the float model")

    @property
    def agreement(self) -> float:
        """Share of samples with the float model's answer."""
        return known(self.agreement_float, "agreement with the float model")


class Latency(Part):
    """Percentiles of the time of one sample, in microseconds."""

    p50: float
    p95: float
    p99: float

    def scaled(self, by: float, over: float) -> Latency:
        """Return `by / over` of it."""
        return Latency(p50=self.p50 * by / over, p95=self.p95 * by / over, p99=self.p99 * by / over)


class Timings(Result):
    """What timings.json holds: latencies of the flatbuffer and of the float one, taken in turns on one machine.

    Attributes:
        latency_ratio: Of the medians; of an ensemble of bundles, which has no float model, to its best member's.
        throughput_per_s: Samples in batches of `best_batch`.
        peak_memory_bytes: See `memory.peak_memory`; `float_peak_memory_bytes` of the float flatbuffer.
    """

    FILE: ClassVar[str] = "timings.json"

    threads: int = 1
    latency_us: Latency
    float_latency_us: Latency | None = None
    latency_ratio: float
    throughput_per_s: float | None = None
    best_batch: int | None = None
    peak_memory_bytes: int | None = None
    float_peak_memory_bytes: int | None = None

    @property
    def reference(self) -> Latency:
        """The float model's latency.

        Raises:
            ArtifactError: If there is none.
        """
        return known(self.float_latency_us, "the float model's latency")
