"""The section `data`."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from qatflow.params.base import Count, Name, PathText, Section, Share


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
