"""The frozen reference of a model: what its training inputs and its answers to validation inputs looked like."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

REFERENCE = "reference.npz"


@dataclass(frozen=True)
class Reference:
    """What drift is measured against."""


def load_reference(path: Path) -> Reference:
    """Read a `reference.npz`.

    Raises:
        MonitoringError: If the file is none.
    """
    del path
    return Reference()
