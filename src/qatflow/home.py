"""A home for the libraries' settings and caches where the user has none: containers, services, `nobody`."""

import os
from contextlib import suppress
from pathlib import Path


def settle_home(root: Path) -> None:
    """Give this process and those it starts a home below .qatflow, if the user's is missing or cannot be written.

    Prefect, DVC, MLflow, matplotlib and Keras all look there; each would wait or fail in its own way.
    """
    if _is_usable():
        return
    home = root / ".qatflow" / "home"
    with suppress(OSError):  # a project that cannot be written is told of by whoever writes first
        home.mkdir(parents=True, exist_ok=True)
        os.environ["HOME"] = str(home)


def _is_usable() -> bool:
    try:
        home = Path.home()
    except RuntimeError:  # neither HOME nor a line in the list of users
        return False
    return home.is_dir() and os.access(home, os.W_OK | os.X_OK)
