"""The section `explain`."""

from typing import Annotated, Literal

from pydantic import Field

from qatflow.params.base import Count, Section


class ExplainParams(Section):
    """Which predictions are explained, and how; see docs/explanation.md."""

    samples: Annotated[int, Field(ge=0)] = 24
    players: Annotated[int, Field(ge=1, le=4096)] = 16
    evaluations: Annotated[int, Field(ge=4, le=4096)] = 64
    fill: Literal["auto", "mean", "blur", "samples"] = "auto"
    background: Annotated[int, Field(ge=1, le=1000)] = 16
    top: Count = 5
    gradient: bool = True
