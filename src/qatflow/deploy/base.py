"""What a deploy target is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from qatflow.params.deploy import DeployParams


@dataclass(frozen=True)
class Place:
    """Where a bundle goes.

    Attributes:
        path: Folder, in the target's own terms.
        name: Of the registered model.
        settings: What else the target may need; files named there are relative to the working directory.
    """

    path: Path
    name: str = "model"
    settings: DeployParams = field(default_factory=DeployParams)


def where(folder: Path, delivery: Mapping[str, Any]) -> Path | str:
    """Return where a delivery says that a target put a bundle into `folder`, or the address of a server."""
    return str(delivery["url"]) if delivery.get("url") else folder / delivery.get("file", "current")


class Target(Protocol):
    """Puts a bundle to use.

    Until the call returns, what was deployed before stays in use, whole; a failure or a kill at any moment changes
    nothing that a reader can see. A repeat with the same model changes nothing and returns the same receipt. The bundle
    is verified and its golden outputs are repeated where it will run, before it is put to use; a target for devices
    that this machine cannot run repeats them here.
    """

    def __call__(self, bundle: Path, place: Place, /) -> dict[str, Any]:
        """Deploy.

        Args:
            bundle: A bundle's folder.
            place: Where to.

        Returns:
            The receipt, with at least `target` and `model_sha256`. It holds no time and no secret.

        Raises:
            ArtifactError: If the bundle is not whole.
            DeployError: If it does not run there, there is no place for it, or a setting is missing.
        """
