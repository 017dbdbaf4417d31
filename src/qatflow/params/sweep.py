"""The section `sweep`."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from qatflow.params.base import Choices, Count, Name, Rate, Section


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
