"""What a release needs from a model registry. The real one is adapters/mlflow_registry.py, the fake in_memory.py."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

CHAMPION = "champion"
PREVIOUS = "previous"
PENDING = "pending"


@dataclass(frozen=True)
class Version:
    """A registered version, with the facts recorded when it was registered.

    Attributes:
        sha256: Of its flatbuffer.
        score: On the test split of its own release.
        latency_us: Median latency of one sample, in microseconds.
    """

    number: int
    sha256: str
    variant: str
    score: float
    latency_us: float


@dataclass(frozen=True)
class SharedLog:
    """The promotion log as the registry holds it, for all clones of a project; see `qatflow.release.shared`.

    Attributes:
        lines: The line of entry 1, 2, and so on.
        published: Number of the last entry that the aliases once said; 0 if there is none.
    """

    lines: tuple[str, ...]
    published: int


class Registry(Protocol):
    """The versions of one registered model, the aliases that point at them, and the log of their promotions.

    Every method may be repeated after a crash: a model with the same digest is stored and registered once. Aliases have
    no compare-and-swap of their own; `claim` is one, and `qatflow.release.promote` decides by it.
    All methods raise TrackingError if the registry does not answer.
    """

    @property
    def name(self) -> str:
        """Name of the registered model."""
        ...

    def log_model(
        self, bundle: Path, facts: Mapping[str, str], metrics: Mapping[str, float], float_model: Path | None = None, /
    ) -> str:
        """Store a bundle, and return the model's URI. `facts` holds the other fields of `Version` as text.

        `float_model` is the folder of the Keras model (`models.store`) that it was made from, kept to train it further.

        Raises:
            ArtifactError: If the bundle is not whole.
        """
        ...

    def register(self, uri: str) -> int:
        """Return the version of a stored model, made if there is none."""
        ...

    def version(self, number: int) -> Version:
        """Return a version.

        Raises:
            PromotionError: If it does not exist, was deleted, or was not registered by QATFlow.
        """
        ...

    def aliases(self) -> dict[str, int]:
        """Return alias -> version number; empty if the model is not registered yet."""
        ...

    def set_alias(self, alias: str, number: int) -> None:
        """Point an alias at a version."""
        ...

    def delete_alias(self, alias: str) -> None:
        """Remove an alias; nothing happens if there is none."""
        ...

    def shared_log(self) -> SharedLog:
        """Return the promotion log; empty if there is none yet.

        Raises:
            PromotionError: If it was deleted or damaged; the message says what brings it back.
        """
        ...

    def claim(self, seq: int, line: str) -> bool:
        """Write entry number `seq`, unless there is one; atomic among all clones and machines.

        Returns:
            Whether that entry is `line` now.

        Raises:
            PromotionError: As `shared_log`.
        """
        ...

    def mark_published(self, seq: int) -> None:
        """Note that the aliases say what entry number `seq` says."""
        ...

    def renew_log(self) -> None:
        """Set the promotion log aside and begin an empty one."""
        ...

    def download(self, number: int, into: Path) -> Path:
        """Copy a version's bundle to the new folder `into`, verify it and return `into`.

        Raises:
            PromotionError: If the version is not there, or its files are gone.
            ArtifactError: If the files are not those that were registered.
        """
        ...
