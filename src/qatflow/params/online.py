"""The section `online`."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from qatflow.params.base import Count, Name, Rate, Section, Setting


class OnlineParams(Section):
    """How `qatflow online` learns from a stream; no stage depends on these. See docs/online.md.

    Attributes:
        strategy: A trained strategy of `quantize.variants`; None for the first of them.
        batch_size: Labelled samples of the stream in one step, which are first predicted, then learned.
        replay: Older samples that are learned with them, against forgetting; half of them training samples.
        reservoir: So many training samples, and so many of the stream, can be replayed.
        checkpoint_every: Learned samples from one checkpoint to the next.
        candidate_every: Learned samples from one candidate to the next; a drift calls for one earlier.
        window: Recent labelled samples on which candidates are judged too.
        max_holdout_drop: Share of the test split that a candidate may lose against what is, and was, deployed.
        min_window_gain: Share of the window by which it must surely beat the champion.
        drift_boost: Factor of both learning rates for `boost_samples` after a detected drift.
        label_window: Samples that may wait for their label; older ones are dropped unlearned.
        max_classes: So many classes may there be once labels that are new appear in the stream; None for no new ones.
        new_class_samples: Samples of a new label that make it a class.
        max_per_s: Records read a second at most; None for no limit.
    """

    strategy: Name | None = None
    batch_size: Count = 32
    replay: Annotated[int, Field(ge=0)] = 64
    reservoir: Count = 1000
    optimizer: Name = "adam"
    optimizer_settings: Mapping[Name, Setting] = {}
    learning_rate: Rate = 0.0005
    grid_learning_rate: Rate = 0.0005
    learn_ranges: bool = True
    checkpoint_every: Count = 1000
    keep_checkpoints: Annotated[int, Field(ge=1, le=100)] = 3
    candidate_every: Count = 2000
    window: Annotated[int, Field(ge=20)] = 500
    max_holdout_drop: Annotated[float, Field(ge=0.0, le=1.0)] = 0.02
    min_window_gain: Annotated[float, Field(ge=-1.0, le=1.0)] = 0.0
    drift_detector: Name = "adwin"
    drift_boost: Annotated[float, Field(ge=1.0, le=100.0)] = 2.0
    boost_samples: Count = 1000
    label_window: Count = 2000
    max_classes: Annotated[int, Field(ge=2, le=10_000)] | None = None
    new_class_samples: Count = 32
    max_per_s: Annotated[float, Field(gt=0)] | None = None
