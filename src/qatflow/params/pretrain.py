"""The section `pretrain`."""

from typing import Annotated

from pydantic import Field

from qatflow.params.training import TrainingParams


class PretrainParams(TrainingParams):
    """Training of the float model; 0 epochs take a user's own model as it is."""

    epochs: Annotated[int, Field(ge=0)] = 30
