"""The section `monitoring`."""

from typing import Annotated

from pydantic import Field

from qatflow.params.base import Choices, Count, PathText, Section


class MonitoringParams(Section):
    """What the server records of each request, and how drift is judged; no stage depends on these.

    Attributes:
        path: Folder of the records.
        sample: Share of requests that are recorded.
        keep_inputs: Whether the inputs themselves are recorded, from which a model can be trained again.
        keep_days: Older records are deleted.
        keep_rows: At most so many records are kept.
        window: Samples in one window that is compared with the reference.
        alpha: Share of windows without drift that may be called drifted, all features together.
        statistics: Names of the drift statistics.
        retrain_labels: Labelled records of the champion that a retraining needs at least, and again for the next.
        retrain_rows: Last labelled records that join the training data.
    """

    path: PathText = "monitoring"
    sample: Annotated[float, Field(gt=0, le=1)] = 1.0
    keep_inputs: bool = True
    keep_days: Annotated[float, Field(gt=0)] = 30.0
    keep_rows: Count = 200_000
    window: Annotated[int, Field(ge=20, le=100_000)] = 200
    alpha: Annotated[float, Field(gt=0, lt=0.5)] = 0.01
    statistics: Choices = ("psi", "ks", "chi2", "mmd")
    retrain_labels: Count = 100
    retrain_rows: Count = 2000
