"""What a deploy target is."""

from pathlib import Path
from typing import Any, Protocol


class Target(Protocol):
    """Puts a bundle to use.

    Until the call returns, what was deployed before stays in use, whole; a failure or a kill at any moment changes
    nothing that a reader can see. A repeat with the same model changes nothing and returns the same receipt. The bundle
    is verified and its golden outputs are repeated where it will run, before it is put to use.
    """

    def __call__(self, bundle: Path, path: Path) -> dict[str, Any]:
        """Deploy.

        Args:
            bundle: A bundle's folder.
            path: Where to, in the target's own terms.

        Returns:
            The receipt, with at least `target` and `model_sha256`. It holds no time.

        Raises:
            ArtifactError: If the bundle is not whole.
            DeployError: If it does not run there, or there is no place for it.
        """
