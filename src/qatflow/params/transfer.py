"""The section `transfer`."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from qatflow.params.base import Count, PathText, is_text
from qatflow.params.training import TrainingParams


class TransferParams(TrainingParams):
    """Transfer of a pretrained model to the data; `source` none passes the pretrained one of this project on.

    `epochs` train the unfrozen part of the backbone and the head together, at `learning_rate` * `backbone_rate`.
    """

    source: Literal["none", "file", "registry", "applications"] = "none"
    path: PathText = "models"
    model: Annotated[str, Field(max_length=512), AfterValidator(is_text)] = ""
    width: Annotated[float, Field(gt=0.0, le=16.0)] = 1.0
    cut: str | None = None
    head_epochs: Count = 10
    epochs: Annotated[int, Field(ge=0)] = 20
    unfreeze: Annotated[float, Field(ge=0.0, le=1.0)] = 1.0
    backbone_rate: Annotated[float, Field(gt=0.0, le=1.0)] = 0.1
    batch_norm: Literal["train", "freeze"] = "freeze"
