"""The section `quantize.compression`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from qatflow.params.base import Count, Rate, Section


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
