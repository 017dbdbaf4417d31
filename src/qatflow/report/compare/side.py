"""One of two sides of a comparison: what is known of a bundle, of a project's run, or of a report alone."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Model:
    """One measured flatbuffer. None, or empty, is what its side does not know.

    Attributes:
        score: On the test split of its own side.
        interval: 95 %, of the score.
        samples: In that split.
        latency_us: Median and 95th percentile of one sample, in microseconds.
        latency_ratio: Of the median, to that of the float model beside it.
        recalls: By class, 0 to 1.
        correct: Per test sample, whether it is right, (n,) bool.
        flatbuffer: Its bytes.
    """

    name: str
    sha256: str
    score: float
    size_bytes: int
    interval: tuple[float, float] | None = None
    samples: int | None = None
    agreement: float | None = None
    zstd_bytes: int | None = None
    latency_us: tuple[float, float | None] | None = None
    latency_ratio: float | None = None
    recalls: Mapping[str, float] = field(default_factory=dict)
    correct: Flags | None = None
    flatbuffer: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, eq=False)
class Side:
    """A bundle, or a run with all its variants.

    Attributes:
        path: As the user gave it.
        kind: `bundle`, `run` or `report`.
        classes: Their names; empty unless the task is classification.
        model: What is compared: the bundle's, the champion, else the best variant.
        models: All of them by name.
        data_sha256: Digest of the prepared data, whose order of test samples it fixes.
        params: Dotted name -> value; empty where they are not known.
        lineage: What it was made from -> digest.
    """

    path: str
    kind: str
    task: str
    classes: tuple[str, ...]
    float_score: float | None
    model: Model
    models: Mapping[str, Model]
    data_sha256: str
    params: Mapping[str, str]
    lineage: Mapping[str, str]
