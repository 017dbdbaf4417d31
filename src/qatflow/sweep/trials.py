"""What a trial is, which trials a grid has, and the settings that each one trains with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

from qatflow import artifacts
from qatflow.params.quantize import QuantizeParams
from qatflow.params.root import Params

if TYPE_CHECKING:
    from qatflow.sweep.result import TrialResult


@dataclass(frozen=True)
class Trial:
    """One training: the float model of an architecture and seed, quantized by a strategy with an optimizer.

    Attributes:
        learning_rate: Of the quantization-aware training, at its start.
    """

    optimizer: str
    strategy: str
    model: str
    seed: int
    learning_rate: float

    @property
    def name(self) -> str:
        """Words that tell it from the others."""
        return f"{self.optimizer} {self.strategy} {self.model} seed {self.seed} rate {self.learning_rate:.4g}"

    def record(self) -> dict[str, Any]:
        """Return it as JSON-like values; `Trial(**record)` gives it back."""
        return asdict(self)


def grid(params: Params) -> list[Trial]:
    """Return every combination. Seeds vary fastest, so that the first workers train different float models."""
    sweep = params.sweep
    combined = product(sweep.optimizers, sweep.strategies, sweep.models, seeds(params))
    return [
        Trial(optimizer, strategy, model, seed, rate_of(optimizer, params))
        for optimizer, strategy, model, seed in combined
    ]


class Grid:
    """Gives every combination once; has the methods of `study.Search`, but prunes nothing."""

    def __init__(self, params: Params) -> None:
        self._left = grid(params)
        self.total = len(self._left)

    def earlier(self) -> list[TrialResult]:
        """Return nothing: what was finished is found when it is asked for."""
        return []

    def ask(self) -> Trial | None:
        """Return the next trial, None behind the last."""
        return self._left.pop(0) if self._left else None

    def goes_on(self, trial: Trial, epoch: int, figure: float) -> bool:  # noqa: ARG002 (as `study.Search` has them)
        """Never end a trial."""
        return True

    def tell(self, trial: Trial, result: TrialResult) -> None:
        """Need not know."""


def seeds(params: Params) -> range:
    """Return the seeds of the sweep, from `seed` of params.yaml upwards."""
    return range(params.seed, params.seed + params.sweep.seeds)


def rate_of(optimizer: str, params: Params) -> float:
    """Return the learning rate that an optimizer is given, unless it is searched for."""
    return params.sweep.learning_rates.get(optimizer, params.quantize.training.learning_rate)


def quantize_params(trial: Trial, params: Params) -> QuantizeParams:
    """Return section `quantize` for a trial. Settings of an optimizer are kept only for the one they were given for."""
    training = params.quantize.training
    own = trial.optimizer == training.optimizer
    changes = {
        "optimizer": trial.optimizer,
        "learning_rate": trial.learning_rate,
        "optimizer_settings": training.optimizer_settings if own else {},
    }
    return params.quantize.model_copy(update={"training": training.model_copy(update=changes)})


def float_key(trial: Trial, params: Params, origin: Mapping[str, str]) -> str:
    """Return the digest of all that the float model depends on; `origin` is code and data, see `origin.origin_of`."""
    settings = {
        "model": trial.model,
        "width": params.model.width,
        "seed": trial.seed,
        "pretrain": params.pretrain.model_dump(mode="json"),
    }
    return artifacts.digest([settings, dict(origin)])


def trial_key(trial: Trial, params: Params, origin: Mapping[str, str]) -> str:
    """Return the digest of all that a trial's result depends on."""
    settings = quantize_params(trial, params).model_dump(mode="json", exclude={"variants"})
    return artifacts.digest([trial.record(), settings, float_key(trial, params, origin)])
