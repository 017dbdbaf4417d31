"""The section `training`: on how many devices and machines."""

from typing import Annotated, Literal

from pydantic import Field

from qatflow.params.base import Count, Section


class DistributionParams(Section):
    """Training on several devices or machines; see docs/distributed.md."""

    distribution: Literal["none", "mirrored", "multi_worker"] = "none"
    workers: Annotated[int, Field(ge=1, le=1024)] = 2
    join_timeout_s: Count = 120
    restarts: Annotated[int, Field(ge=0, le=100)] = 3
