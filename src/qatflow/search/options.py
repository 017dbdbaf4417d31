"""What the caller of a search wants, checked."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from qatflow.errors import ParamsError, lookup
from qatflow.evaluation.tasks import TASKS
from qatflow.params.quantize import QuantizeParams, Width
from qatflow.progress import Progress, silent
from qatflow.search.trial import Trial

WIDTHS = get_args(Width)


@dataclass(frozen=True)
class Goal:
    """What the search looks for: the fewest bytes within these limits.

    Attributes:
        max_drop: Most that accuracy (R², AUC) may lose against the float model, as a share from 0 to 1.
        size_budget: Most bytes that the flatbuffer may have.
        time_budget: Seconds that the search may take; nothing is started that would not end in time.
        compressed: Whether bytes are those of the flatbuffer compressed by zstd, as it travels to a device, instead of
            those it takes there. Zeros and repeated weights count then.

    Raises:
        ParamsError: If a limit is out of range.

    Example:
        >>> goal = qatflow.Goal(max_drop=0.02, size_budget=20_000)
        >>> qatflow.quantize(model, (x, y), "ptq_w8a8", goal=goal).goal.size_budget
        20000
    """

    max_drop: float = 0.01
    size_budget: int | None = None
    time_budget: float | None = None
    compressed: bool = False

    def __post_init__(self) -> None:
        if not 0.0 <= self.max_drop <= 1.0:
            raise ParamsError(f"max-drop is {self.max_drop}; it is a share from 0 to 1, such as 0.01 for one point")
        if self.size_budget is not None and self.size_budget < 1:
            raise ParamsError(f"size-budget is {self.size_budget}; it must be a number of bytes, at least 1")
        if self.time_budget is not None and not (self.time_budget > 0 and math.isfinite(self.time_budget)):
            raise ParamsError(f"time-budget is {self.time_budget}; it must be a number of seconds above 0")


def ignore(trial: Trial) -> None:
    """Say nothing about a finished candidate."""


@dataclass(frozen=True)
class Options:
    """How data are read and models are made; all have defaults.

    Attributes:
        task: Name in `evaluation.tasks.TASKS`; by default told from the model and the labels.
        source: Name of the data source; by default told from the data.
        label: Column to predict in a CSV table.
        exif: Whether photos of a folder are turned upright as their EXIF says (`turn`), or not (`keep`).
        max_samples: Use at most so many samples of each split.
        epochs: Of each training, of compression too; by default those of `settings`.
        seed: Of splits, training and everything else that is drawn.
        layers: Glob pattern over names of Keras layers -> bits of their weights, 4 or 8, or "float"; of several
            patterns the last counts. Layers that none names get what the strategy gives them.
        calibration: Model inputs (n, *shape) that show the range of activations, instead of training samples; or the
            path of an .npz that holds them as `x` or alone.
        settings: Of the quantization engine; its `variants` are not used.
        latency_runs: Timed runs of each flatbuffer.
        progress: True for a bar, which shows in a terminal or notebook; False for none; or what is told instead how far
            the work under way is, as `progress(label, done, total)`.
        on_trial: Told of each candidate once it is measured, skipped or has failed.

    Raises:
        ParamsError: If a number is out of range.

    Example:
        >>> options = qatflow.Options(layers={"classes": 8}, calibration=x[:200], epochs=1, progress=False)
        >>> mixed = qatflow.quantize(model, (x, y), "qat_w4a8", options=options)
        >>> dict(mixed.chosen.widths)
        {'hidden': 4, 'classes': 8}
    """

    task: str | None = None
    source: str | None = None
    label: str = "label"
    exif: Literal["turn", "keep"] = "turn"
    max_samples: int | None = None
    epochs: int | None = None
    seed: int = 42
    layers: Mapping[str, Width] = field(default_factory=dict)
    calibration: Any = None
    settings: QuantizeParams = field(default_factory=QuantizeParams)
    latency_runs: int = 100
    progress: Progress | bool = True
    on_trial: Callable[[Trial], None] = ignore

    def __post_init__(self) -> None:
        if self.task is not None:
            lookup("task", self.task, TASKS)
        if self.exif not in {"turn", "keep"}:
            raise ParamsError(f"exif is {self.exif!r}; it is turn or keep")
        for name in ("max_samples", "epochs", "latency_runs"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ParamsError(f"{name.replace('_', '-')} is {value}; it must be at least 1")
        for name, width in self.layers.items():
            if width not in WIDTHS:
                raise ParamsError(f"layers wants {width!r} for '{name}'; a layer has 4 or 8 bits, or is \"float\"")
        if not 0 <= self.seed < 2**31:
            raise ParamsError(f"seed is {self.seed}; it must be from 0 to {2**31 - 1}")

    @property
    def told(self) -> Progress:
        """What is told how far the work is; nobody, where the caller leaves it to a bar that is not there."""
        return self.progress if callable(self.progress) else silent

    @property
    def quantization(self) -> QuantizeParams:
        """The engine's settings with the wanted epochs and widths of layers."""
        settings = self.settings.model_copy(update={"layers": {**self.settings.layers, **self.layers}})
        if self.epochs is None:
            return settings
        parts = {"training": settings.training, "compression": settings.compression}
        epochs = {"epochs": self.epochs}
        return settings.model_copy(update={name: each.model_copy(update=epochs) for name, each in parts.items()})
