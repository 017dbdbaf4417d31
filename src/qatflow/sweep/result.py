"""The type of a trial's result.json: how it ended and what was measured. Written and read here only."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from qatflow.results import Result, known
from qatflow.sweep.trials import Trial


class Figures(Result):
    """A flatbuffer's size and its scores on both splits, higher is better; figures.json of a float model."""

    FILE: ClassVar[str] = "figures.json"

    size_bytes: int
    sha256: str
    val_score: float
    test_score: float


class TrialResult(Result):
    """How a trial ended. Figures are those of a trial that is done; of others None, and not written.

    Attributes:
        reason: Why it is not done; else empty.
        history: An entry an epoch.
        epoch_seconds: From the start of the training to each epoch's end.
        seconds: All but the float model.
        float_model: Its figures; `float` in the file.
    """

    FILE: ClassVar[str] = "result.json"

    trial: Trial
    key: str
    status: Literal["done", "pruned", "failed", "lost"]
    reason: str = ""
    history: tuple[dict[str, float], ...] = ()
    epoch_seconds: tuple[float, ...] = ()
    size_bytes: int | None = None
    sha256: str | None = None
    val_score: float | None = None
    test_score: float | None = None
    seconds: float | None = None
    float_model: Figures | None = Field(default=None, alias="float")

    @property
    def figures(self) -> Figures:
        """The figures of a trial that is done.

        Raises:
            ArtifactError: If it is not.
        """
        return Figures(
            size_bytes=known(self.size_bytes, "size"),
            sha256=known(self.sha256, "digest"),
            val_score=known(self.val_score, "score on the validation split"),
            test_score=known(self.test_score, "score on the test split"),
        )
