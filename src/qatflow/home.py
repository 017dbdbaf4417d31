"""A home for the libraries' settings and caches where the user has none: containers, services, `nobody`."""

import os
from pathlib import Path

from qatflow.errors import StageError


def settle_home(root: Path) -> None:
    """Give this process and those it starts a home below .qatflow, if the user's is missing or cannot be written.

    Prefect, DVC, MLflow, matplotlib and Keras all look there; each would wait or fail in its own way.

    Raises:
        StageError: If the project cannot be written either.
    """
    if _is_usable():
        return
    home = root / ".qatflow" / "home"
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = f"{error.strerror}; whoever works in a project must own it"
        raise StageError(f"HOME cannot be written, and neither can {home} ({reason})") from None
    os.environ["HOME"] = str(home)


def _is_usable() -> bool:
    try:
        home = Path.home()
    except RuntimeError:  # neither HOME nor a line in the list of users
        return False
    return home.is_dir() and os.access(home, os.W_OK | os.X_OK)
