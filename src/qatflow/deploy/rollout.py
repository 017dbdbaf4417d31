"""Which challenger a server tries beside the champion, and what registry versions are called: two small files.

They lie in the deploy root and change by rename, so that a server never reads half of one.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from qatflow.artifacts import write_json
from qatflow.deploy.local import DIGEST_LENGTH, VERSIONS, add_version, locked
from qatflow.errors import DeployError

Mode = Literal["shadow", "canary"]
ROLLOUT, NAMES, RETREATED = "rollout.json", "names.json", "retreated.json"
MAX_BYTES = 1 << 20


class Rollout(BaseModel):
    """A challenger beside the champion.

    Attributes:
        challenger: Name of its folder in `versions/`.
        share: Of the requests that it answers; of `canary` only.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    challenger: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
    mode: Mode
    share: Annotated[float, Field(gt=0, le=1)]


def challenge(path: Path, bundle: Path, mode: Mode, share: float = 0.1) -> Rollout:
    """Let a server that follows the deploy root `path` try a bundle beside the champion.

    Raises:
        ArtifactError: If the bundle is not whole.
        DeployError: If it does not run here, or cannot be written.
    """
    with locked(path):
        version = add_version(path, bundle)
        rollout = Rollout(challenger=version.name, mode=mode, share=share)
        write_json(path / ROLLOUT, rollout.model_dump())
    return rollout


def end_challenge(path: Path) -> None:
    """Withdraw the challenger, if there is one."""
    with locked(path):
        (path / ROLLOUT).unlink(missing_ok=True)


def read_rollout(path: Path) -> Rollout | None:
    """Return the challenger of a deploy root, None without one.

    Raises:
        DeployError: If the file is not as `challenge` writes it.
    """
    try:
        with (path / ROLLOUT).open("rb") as file:
            return Rollout.model_validate_json(file.read(MAX_BYTES))
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        raise DeployError(f"{path / ROLLOUT} is not what `qatflow` writes: {type(error).__name__}") from None


def challenger_path(path: Path, rollout: Rollout) -> Path:
    """Return the challenger's bundle."""
    return path / VERSIONS / rollout.challenger


def retreat_of(path: Path, rollout: Rollout) -> list[str]:
    """Return why this challenger was retired since it was last put up; empty if it was not."""
    try:
        if (path / RETREATED).stat().st_mtime_ns < (path / ROLLOUT).stat().st_mtime_ns:
            return []
    except OSError:
        return []
    found = _object(path / RETREATED)
    reasons = found.get("reasons")
    lost = str(found.get("challenger_sha256")).startswith(rollout.challenger)
    return [str(reason) for reason in reasons] if lost and isinstance(reasons, list) else []


def set_name(path: Path, sha256: str, name: str) -> None:
    """Record what a registry calls the version with these bytes."""
    with locked(path):
        write_json(path / NAMES, {**_names(path), sha256[:DIGEST_LENGTH]: name})


def name_of(path: Path, sha256: str) -> str | None:
    """Return what a registry calls the version with these bytes; None if it has no name here."""
    name = _names(path).get(sha256[:DIGEST_LENGTH])
    return name if isinstance(name, str) and name.isascii() and name.isprintable() and 0 < len(name) <= 64 else None


def _names(path: Path) -> dict[str, Any]:
    return _object(path / NAMES)


def _object(path: Path) -> dict[str, Any]:
    """Return a file's JSON object; what is missing or broken says nothing."""
    try:
        with path.open("rb") as file:
            found = json.loads(file.read(MAX_BYTES))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
