"""What every training is told; `pretrain`, `transfer` and `quantize.training` add to it."""

from collections.abc import Mapping

from qatflow.params.base import Count, Name, Rate, Section, Setting, Share


class TrainingParams(Section):
    """One training run; docs/optimizers.md has the optimizers, the schedules and their settings."""

    epochs: Count = 30
    batch_size: Count = 64
    optimizer: Name = "adam"
    optimizer_settings: Mapping[Name, Setting] = {}
    learning_rate: Rate = 0.001
    schedule: Name = "cosine"
    schedule_settings: Mapping[Name, float] = {}
    warmup: Share = 0.0
    clip_norm: Rate | None = None
    averaging: Share = 0.0
    augment: tuple[Name, ...] = ()
