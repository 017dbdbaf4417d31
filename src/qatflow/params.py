"""Typed, frozen parameters and the only reader and writer of params.yaml. No defaults live anywhere else."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from qatflow.errors import nearest

Share = Annotated[float, Field(ge=0.0, lt=1.0)]
Count = Annotated[int, Field(ge=1)]
Rate = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]


def _is_name(text: str) -> str:
    """Refuse what could be more than a name where it becomes part of a command, a path or a format string."""
    if re.fullmatch(r"[a-z][a-z0-9_]{0,63}", text) is None:
        raise ValueError("expected a name of small letters, digits and _")
    return text


def _is_text(text: str) -> str:
    """Refuse characters that no path and no title holds on purpose."""
    if not text.isprintable():
        raise ValueError("holds characters that cannot be printed")
    return text


Name = Annotated[str, AfterValidator(_is_name)]
"""Of a plug; which there are stands in `params_checks`."""
PathText = Annotated[str, Field(min_length=1, max_length=4096), AfterValidator(_is_text)]


class Section(BaseModel):
    """A part of params.yaml: frozen, unknown keys refused, no silent conversion of text to numbers."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    @model_validator(mode="before")
    @classmethod
    def _lists_are_tuples(cls, values: Any) -> Any:
        """YAML knows lists only; frozen values hold tuples."""
        if not isinstance(values, Mapping):
            return values
        return {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}


class DataParams(Section):
    """Where samples come from and how they are split."""

    source: Name = "digits"
    path: PathText = "data"
    exif: Literal["turn", "keep"] = "turn"
    task: Literal["classification", "multi_label", "regression", "anomaly"] = "classification"
    label: str = "label"
    image_size: tuple[Count, Count] | None = None
    normalize: Literal["auto", "unit", "standard", "none"] = "auto"
    val_fraction: Share = 0.15
    test_fraction: Share = 0.2
    duplicates: Literal["drop", "refuse"] = "drop"
    max_samples: Count | None = None

    @model_validator(mode="after")
    def _leaves_training_data(self) -> DataParams:
        if self.val_fraction + self.test_fraction >= 1.0:
            raise ValueError("val_fraction + test_fraction must stay below 1, else nothing is left to train on")
        return self


class ModelParams(Section):
    """Which architecture, or which file."""

    name: Name = "small_cnn"
    path: PathText = "models"
    width: Annotated[float, Field(gt=0.0, le=16.0)] = 1.0


def _is_setting(value: Any) -> Any:
    """Refuse what is neither with one sentence, where a union would say one for each alternative."""
    if type(value) not in {bool, int, float}:
        raise ValueError("expected a number, true or false")
    return value


Setting = Annotated[bool | float, BeforeValidator(_is_setting)]


class TrainingParams(Section):
    """One training run; docs/optimizers.md has the optimizers, the schedules and their settings."""

    epochs: Count = 30
    batch_size: Count = 64
    optimizer: Name = "adam"
    optimizer_settings: Mapping[Name, Setting] = {}
    learning_rate: Rate = 0.001
    schedule: Name = "cosine"
    schedule_settings: Mapping[Name, float] = {}
    warmup: Share = 0.0
    clip_norm: Rate | None = None
    averaging: Share = 0.0
    augment: tuple[Name, ...] = ()


class DistributionParams(Section):
    """Training on several devices or machines; see docs/distributed.md."""

    distribution: Literal["none", "mirrored", "multi_worker"] = "none"
    workers: Annotated[int, Field(ge=1, le=1024)] = 2
    join_timeout_s: Count = 120
    restarts: Annotated[int, Field(ge=0, le=100)] = 3


class PretrainParams(TrainingParams):
    """Training of the float model; 0 epochs take a user's own model as it is."""

    epochs: Annotated[int, Field(ge=0)] = 30


class TransferParams(TrainingParams):
    """Transfer of a pretrained model to the data; `source` none passes the pretrained one of this project on.

    `epochs` train the unfrozen part of the backbone and the head together, at `learning_rate` * `backbone_rate`.
    """

    source: Literal["none", "file", "registry", "applications"] = "none"
    path: PathText = "models"
    model: Annotated[str, Field(max_length=512), AfterValidator(_is_text)] = ""
    width: Annotated[float, Field(gt=0.0, le=16.0)] = 1.0
    cut: str | None = None
    head_epochs: Count = 10
    epochs: Annotated[int, Field(ge=0)] = 20
    unfreeze: Annotated[float, Field(ge=0.0, le=1.0)] = 1.0
    backbone_rate: Annotated[float, Field(gt=0.0, le=1.0)] = 0.1
    batch_norm: Literal["train", "freeze"] = "freeze"


class QatParams(TrainingParams):
    """Quantization-aware training; what each switch gains stands in docs/quantization.md."""

    epochs: Count = 10
    grid_optimizer: Name = "adam"
    grid_learning_rate: Rate = 0.001
    learn_ranges: bool = False
    distillation: Annotated[float, Field(ge=0.0, le=1.0)] = 0.5
    distillation_temperature: Annotated[float, Field(gt=0.0, le=100.0)] = 1.0
    distillation_loss: Literal["cross_entropy", "logits"] = "cross_entropy"
    batch_norm: Literal["train", "freeze", "fold"] = "train"
    reestimate_batches: Annotated[int, Field(ge=0)] = 0
    dampening: Annotated[float, Field(ge=0.0, allow_inf_nan=False)] = 0.0
    freeze_oscillating: Annotated[float, Field(ge=0.0, le=1.0)] = 0.0
    parity_samples: Annotated[int, Field(ge=0)] = 0


class CorrectionParams(Section):
    """Error correction without training, of strategies that are not trained."""

    equalize: bool = False
    adaround: bool = True
    bias: bool = False


class MixedParams(Section):
    """Widths of the layers of `qat_mixed`."""

    size_ratio: Annotated[float, Field(gt=0.0, le=1.0)] = 0.75
    probe_samples: Count = 500


class CompressionParams(Section):
    """Of strategies that compress too: what they reach in a float training before; see docs/compression.md.

    `growth` is the share of that training in which zeros come in; the rest trains at the full sparsity. What else is
    not set here is as in `quantize.training`, and so is the learning rate where it is None.
    """

    epochs: Count = 10
    learning_rate: Rate | None = None
    growth: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.5
    sparsity: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.5
    scope: Literal["model", "layer"] = "model"
    schedule: Literal["polynomial", "constant"] = "polynomial"
    pattern: Literal["unstructured", "2:4", "block"] = "unstructured"
    block: Annotated[int, Field(ge=2, le=64)] = 4
    clusters: Annotated[int, Field(ge=3, le=255)] = 16
    spacing: Literal["even", "k_means"] = "even"
    branches: Annotated[int, Field(ge=0)] = 0
    channels: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.5
    multiple_of: Annotated[int, Field(ge=1, le=256)] = 8
    energy: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.9

    @model_validator(mode="after")
    def _pattern_sets_the_sparsity(self) -> CompressionParams:
        if self.pattern == "2:4" and self.sparsity != 0.5:
            raise ValueError(f"pattern 2:4 makes half of the weights zero; sparsity must be 0.5, not {self.sparsity}")
        if self.pattern != "unstructured" and self.scope == "model":
            raise ValueError(f"pattern {self.pattern} gives each layer the same sparsity; set scope to layer")
        return self


class QuantizeParams(Section):
    """The variants to make, and how they are calibrated, corrected and trained."""

    variants: Annotated[tuple[Name, ...], Field(min_length=1)] = ("ptq_w8a8", "qat_w8a8_per_channel", "qat_w4a8")
    calibration_samples: Count = 300
    calibration: Literal["min_max", "percentile", "mse"] = "mse"
    dense: Literal["per_tensor", "per_channel"] = "per_channel"
    corrections: CorrectionParams = CorrectionParams()
    mixed: MixedParams = MixedParams()
    compression: CompressionParams = CompressionParams()
    training: QatParams = QatParams()

    @model_validator(mode="after")
    def _variants_differ(self) -> QuantizeParams:
        if len(set(self.variants)) != len(self.variants):
            raise ValueError(f"quantize.variants names one twice: {', '.join(self.variants)}")
        return self


class ConvertParams(Section):
    """How the flatbuffer is compared with the model it came from."""

    parity_samples: Count = 10_000


class EvaluateParams(Section):
    """How the flatbuffer is measured."""

    threads: Count = 1
    latency_runs: Count = 300


def _known_members(value: Any) -> Any:
    """Refuse what is neither a word nor a list with one sentence, where a union would say one for each alternative."""
    if isinstance(value, str) and value in {"auto", "none"}:
        return value
    if not isinstance(value, tuple) or not all(isinstance(name, str) for name in value):
        raise ValueError("expected auto, none or a list of variants")
    if len(value) < 2:
        raise ValueError("an ensemble needs two members at least; none switches it off")
    if len(set(value)) != len(value):
        raise ValueError("a member is named twice; `combine: weighted` finds its weight")
    return value


class EnsembleParams(Section):
    """Which variants are merged into one flatbuffer, and how their outputs are combined."""

    members: Annotated[Literal["auto", "none"] | tuple[str, ...], BeforeValidator(_known_members)] = "auto"
    size: Annotated[int, Field(ge=2)] = 3
    combine: Name = "weighted"


class ExplainParams(Section):
    """Which predictions are explained, and how; see docs/explanation.md."""

    samples: Annotated[int, Field(ge=0)] = 24
    players: Annotated[int, Field(ge=1, le=4096)] = 16
    evaluations: Annotated[int, Field(ge=4, le=4096)] = 64
    fill: Literal["auto", "mean", "blur", "samples"] = "auto"
    background: Annotated[int, Field(ge=1, le=1000)] = 16
    top: Count = 5
    gradient: bool = True


Said = Annotated[str, Field(min_length=1, max_length=4000)] | None


class CardParams(Section):
    """What the model card says that no pipeline can know; null is "not stated"."""

    owner: Said = None
    license: Said = None
    contact: Said = None
    intended_use: Said = None
    intended_users: Said = None
    out_of_scope: Said = None
    factors: Said = None
    ethical_considerations: Said = None
    caveats: Said = None


GATES: Mapping[str, Mapping[str, float]] = {
    "accuracy_drop": {"max_drop": 0.02},
    "class_drop": {"max_drop": 0.02, "alpha": 0.05},
    "beats_ptq": {"alpha": 0.05, "margin": 0.02, "min_saving": 0.05},
    "beats_members": {"alpha": 0.05},
    "agreement": {"min_agreement": 0.95},
    "parity": {"min_agreement": 0.99},
    "explanation_drift": {"min_rank_correlation": 0.5},
    "size": {"max_ratio": 0.6},
    "latency": {"max_ratio": 4.0},
    "golden": {"max_lsb": 0.0},
    "beats_champion": {"alpha": 0.05, "margin": 0.02, "min_saving": 0.05},
}
"""Every gate of a release, and its settings where the parameters say nothing else."""


def _gates_over_defaults(given: Any) -> Any:
    """Lay the gates that are given over the defaults: what is not named holds as it is, null switches a gate off."""
    if not isinstance(given, Mapping):
        return given
    if not given:
        raise ValueError("is empty, which would promote anything: leave it out for the safe defaults")
    changed = {
        name: {**GATES.get(name, {}), **settings} if isinstance(settings, Mapping) else settings
        for name, settings in given.items()
    }
    return {**GATES, **changed}


class ReleaseParams(Section):
    """The registered model, what its card says, and what is asked of it.

    Attributes:
        objective: What a model that is as good as another must save: bytes (`size`) or time (`latency`); with `quality`
            only a better one will do.
        gates: Gate name -> its settings, laid over `GATES`; None for one that is switched off.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")] = "qatflow-digits"
    card: CardParams = CardParams()
    objective: Literal["size", "latency", "quality"] = "size"
    gates: Annotated[Mapping[Name, Mapping[Name, float] | None], BeforeValidator(_gates_over_defaults)] = GATES
    require_approval: bool = False
    canary: bool = False


class DeployParams(Section):
    """Where the champion goes; see docs/deploy.md. Secrets are never parameters, only where they are found.

    Attributes:
        path: Folder of the targets local, archive, mlflow and micro.
        url: Of the server of the target http.
        token_file: Holds the server's token; None for the environment variable `token_env`.
        plain_http: Whether a token may go to another machine unencrypted.
        timeout_s: In which the server must be live with the new model.
        key_file: Private key that archives are signed with; None signs nothing.
    """

    target: Name = "local"
    path: PathText = "deployed"
    url: Annotated[str, Field(pattern=r"^https?://[^/@?#]+(/[^@?#]*)?$", max_length=512)] | None = None
    token_file: PathText | None = None
    token_env: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,99}$")] = "QATFLOW_TOKEN"  # noqa: S105 (a name)
    plain_http: bool = False
    timeout_s: Annotated[float, Field(gt=0, le=3600)] = 60.0
    key_file: PathText | None = None


def _known_choices(value: Any) -> Any:
    """Refuse an empty list and one that names something twice."""
    if isinstance(value, tuple) and not value:
        raise ValueError("names nothing, and a sweep of nothing has no trials; list one name at least")
    if isinstance(value, tuple) and len(set(map(str, value))) != len(value):
        raise ValueError("names one twice")
    return value


Choices = Annotated[tuple[Name, ...], BeforeValidator(_known_choices)]


class CanaryParams(Section):
    """How a challenger is tried beside the champion, and when it has lost or may be promoted.

    Attributes:
        share: Of the requests that the challenger answers.
        min_requests: It must have answered before it is judged.
        max_error_share: Of its requests that fail.
        max_latency_ratio: Of its mean latency to the champion's.
        min_agreement: Share of samples on which both pick the same class.
    """

    share: Annotated[float, Field(gt=0, le=1)] = 0.1
    min_requests: Count = 100
    max_error_share: Share = 0.01
    max_latency_ratio: Annotated[float, Field(gt=0)] = 3.0
    min_agreement: Share = 0.5


class ServingParams(Section):
    """Limits of `qatflow serve`; no stage depends on these. See docs/serving.md.

    Attributes:
        device: Name in `tflite.devices.DEVICES`; the server does not start where there is none.
        max_requests: Requests in work at once; more are shed with 429.
        max_body_bytes: Of an inference request, after decompression.
        max_batch: Samples in one request.
        timeout_s: In which a request must have arrived whole.
        drain_s: In which what is in work must be done when the server stops.
        poll_s: How often the pointer to the deployed bundle is looked at.
    """

    host: Annotated[str, Field(min_length=1, max_length=255)] = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8080
    threads: Annotated[int, Field(ge=1, le=256)] = 2
    device: Name = "cpu"
    max_requests: Count = 256
    max_connections: Count = 4096
    max_body_bytes: Annotated[int, Field(ge=1024, le=2**30)] = 4 << 20
    max_batch: Count = 256
    timeout_s: Annotated[float, Field(gt=0, le=3600)] = 10.0
    drain_s: Annotated[float, Field(ge=0, le=3600)] = 10.0
    poll_s: Annotated[float, Field(ge=0.05, le=60)] = 0.25
    canary: CanaryParams = CanaryParams()


class MonitoringParams(Section):
    """What the server records of each request, and how drift is judged; no stage depends on these.

    Attributes:
        path: Folder of the records.
        sample: Share of requests that are recorded.
        keep_inputs: Whether the inputs themselves are recorded, from which a model can be trained again.
        keep_days: Older records are deleted.
        keep_rows: At most so many records are kept.
        window: Samples in one window that is compared with the reference.
        alpha: Share of windows without drift that may be called drifted, all features together.
        statistics: Names of the drift statistics.
        retrain_labels: Labelled records of the champion that a retraining needs at least, and again for the next.
        retrain_rows: Last labelled records that join the training data.
    """

    path: PathText = "monitoring"
    sample: Annotated[float, Field(gt=0, le=1)] = 1.0
    keep_inputs: bool = True
    keep_days: Annotated[float, Field(gt=0)] = 30.0
    keep_rows: Count = 200_000
    window: Annotated[int, Field(ge=20, le=100_000)] = 200
    alpha: Annotated[float, Field(gt=0, lt=0.5)] = 0.01
    statistics: Choices = ("psi", "ks", "chi2", "mmd")
    retrain_labels: Count = 100
    retrain_rows: Count = 2000


class OnlineParams(Section):
    """How `qatflow online` learns from a stream; no stage depends on these. See docs/online.md.

    Attributes:
        strategy: A trained strategy of `quantize.variants`; None for the first of them.
        batch_size: Labelled samples of the stream in one step, which are first predicted, then learned.
        replay: Older samples that are learned with them, against forgetting; half of them training samples.
        reservoir: So many training samples, and so many of the stream, can be replayed.
        checkpoint_every: Learned samples from one checkpoint to the next.
        candidate_every: Learned samples from one candidate to the next; a drift calls for one earlier.
        window: Recent labelled samples on which candidates are judged too.
        max_holdout_drop: Share of the test split that a candidate may lose against what is, and was, deployed.
        min_window_gain: Share of the window by which it must surely beat the champion.
        drift_boost: Factor of both learning rates for `boost_samples` after a detected drift.
        label_window: Samples that may wait for their label; older ones are dropped unlearned.
        max_classes: So many classes may there be once labels that are new appear in the stream; None for no new ones.
        new_class_samples: Samples of a new label that make it a class.
        max_per_s: Records read a second at most; None for no limit.
    """

    strategy: Name | None = None
    batch_size: Count = 32
    replay: Annotated[int, Field(ge=0)] = 64
    reservoir: Count = 1000
    optimizer: Name = "adam"
    optimizer_settings: Mapping[Name, Setting] = {}
    learning_rate: Rate = 0.0005
    grid_learning_rate: Rate = 0.0005
    learn_ranges: bool = True
    checkpoint_every: Count = 1000
    keep_checkpoints: Annotated[int, Field(ge=1, le=100)] = 3
    candidate_every: Count = 2000
    window: Annotated[int, Field(ge=20)] = 500
    max_holdout_drop: Annotated[float, Field(ge=0.0, le=1.0)] = 0.02
    min_window_gain: Annotated[float, Field(ge=-1.0, le=1.0)] = 0.0
    drift_detector: Name = "adwin"
    drift_boost: Annotated[float, Field(ge=1.0, le=100.0)] = 2.0
    boost_samples: Count = 1000
    label_window: Count = 2000
    max_classes: Annotated[int, Field(ge=2, le=10_000)] | None = None
    new_class_samples: Count = 32
    max_per_s: Annotated[float, Field(gt=0)] | None = None


class TrackingParams(Section):
    """The MLflow server: a database or HTTP address."""

    uri: Annotated[str, Field(pattern=r"^(sqlite:///|postgresql|mysql|mssql|https?://|databricks)")] = (
        "sqlite:///mlflow.db"
    )
    experiment: Annotated[str, Field(min_length=1, max_length=250), AfterValidator(_is_text)] = "qatflow"


class FlowParams(Section):
    """How the Prefect flow runs; no stage depends on these."""

    stage_timeout_s: Count = 3600
    retries: Annotated[int, Field(ge=0, le=10)] = 1
    retry_delay_s: Annotated[int, Field(ge=0)] = 5
    cron: Annotated[str, Field(min_length=9)] = "0 2 * * *"
    timezone: str = "UTC"
    monitor_every_s: Annotated[int, Field(ge=5)] = 300

    @field_validator("timezone")
    @classmethod
    def _is_a_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            known = nearest(name, available_timezones())
            raise ValueError(f"'{name}' is no time zone; IANA names such as Europe/Berlin are.{known}") from None
        return name


class SweepParams(Section):
    """What `qatflow sweep` compares, and where its trials run; no stage depends on these. See docs/sweep.md."""

    optimizers: Choices = ("adam", "momentum", "lion")
    strategies: Choices = ("qat_w8a8_per_channel", "qat_w4a8")
    models: Choices = ("small_cnn",)
    seeds: Annotated[int, Field(ge=1, le=1000)] = 2
    learning_rates: Mapping[Name, Rate] = {}
    search: Literal["grid", "optuna"] = "grid"
    trials: Count = 40
    workers: Annotated[int, Field(ge=1, le=256)] = 2
    scheduler: Annotated[str, Field(pattern=r"^([a-z]+://)?[^/@?#\s]+$", max_length=512)] | None = None
    target: Annotated[float, Field(allow_inf_nan=False)] = 0.95


class Params(Section):
    """All of params.yaml."""

    seed: Annotated[int, Field(ge=0, lt=2**31)] = 42
    data: DataParams = DataParams()
    model: ModelParams = ModelParams()
    training: DistributionParams = DistributionParams()
    pretrain: PretrainParams = PretrainParams()
    transfer: TransferParams = TransferParams()
    quantize: QuantizeParams = QuantizeParams()
    convert: ConvertParams = ConvertParams()
    evaluate: EvaluateParams = EvaluateParams()
    ensemble: EnsembleParams = EnsembleParams()
    explain: ExplainParams = ExplainParams()
    release: ReleaseParams = ReleaseParams()
    deploy: DeployParams = DeployParams()
    serving: ServingParams = ServingParams()
    monitoring: MonitoringParams = MonitoringParams()
    online: OnlineParams = OnlineParams()
    tracking: TrackingParams = TrackingParams()
    flow: FlowParams = FlowParams()
    sweep: SweepParams = SweepParams()

    @property
    def is_foreign(self) -> bool:
        """Whether training begins with weights from elsewhere, so that nobody here knows what these were trained on."""
        return self.model.name == "file" or self.transfer.source != "none"

    @model_validator(mode="after")
    def _transfer_names_its_model(self) -> Params:
        if self.transfer.source in {"registry", "applications"} and not self.transfer.model:
            wanted = "models:/NAME@ALIAS" if self.transfer.source == "registry" else "a name such as MobileNetV2"
            raise ValueError(f"transfer.source {self.transfer.source} needs transfer.model: {wanted}")
        return self

    @model_validator(mode="after")
    def _something_is_trained(self) -> Params:
        transferred = self.transfer.source != "none"
        if self.pretrain.epochs == 0 and self.model.name != "file" and not transferred:
            raise ValueError(
                "pretrain.epochs 0 takes a model as it is; that needs model.name 'file', or a transfer.source"
            )
        return self

    @model_validator(mode="after")
    def _members_are_variants(self) -> Params:
        members = () if isinstance(self.ensemble.members, str) else self.ensemble.members
        unknown = [name for name in members if name not in self.quantize.variants]
        if unknown:
            raise ValueError(
                f"ensemble.members names {', '.join(unknown)}, not among quantize.variants: "
                f"{', '.join(self.quantize.variants)}.{nearest(unknown[0], self.quantize.variants)}"
            )
        return self

    @model_validator(mode="after")
    def _drift_is_measured(self) -> Params:
        if self.release.gates.get("explanation_drift") is not None and self.explain.samples == 0:
            raise ValueError(
                "release.gates.explanation_drift judges what explain.samples 0 never measures: set the gate to null, "
                "or explain.samples above 0"
            )
        return self

    @property
    def normalization(self) -> str:
        """The normalization asked for; a user's own model file gets data as they are unless told otherwise."""
        return "none" if self.data.normalize == "auto" and self.model.name == "file" else self.data.normalize


def known_keys(section: type[BaseModel] = Params, prefix: str = "") -> Iterator[str]:
    """Yield every dotted parameter name, such as `quantize.training.epochs`."""
    for name, field in section.model_fields.items():
        yield prefix + name
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from known_keys(kind, f"{prefix}{name}.")
