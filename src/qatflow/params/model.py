"""The section `model`."""

from typing import Annotated

from pydantic import Field

from qatflow.params.base import Name, PathText, Section


class ModelParams(Section):
    """Which architecture, or which file."""

    name: Name = "small_cnn"
    path: PathText = "models"
    width: Annotated[float, Field(gt=0.0, le=16.0)] = 1.0
