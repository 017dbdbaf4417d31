"""Opens MLflow's database or server: initialised once, moved with its project, reported on in plain words."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import re
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from qatflow.errors import TrackingError

SQLITE = "sqlite:///"
ARTIFACTS = "mlartifacts"
_SETTINGS = {
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",  # by default 7, of 120 s each: a dead server would look like a hang
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "DO_NOT_TRACK": "true",
    "GIT_PYTHON_REFRESH": "quiet",
}
_LOCATIONS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "storage_location"),
)
_UNFIT = re.compile(r"[?\x00-\x1f\x7f\ud800-\udfff]")

for _name, _value in _SETTINGS.items():
    os.environ.setdefault(_name, _value)


def prepare_store(uri: str, root: Path) -> str:
    """Make a tracking address ready for any number of processes, and return it in absolute form.

    A new SQLite database is built aside and renamed, since processes that touch a fresh one together break it for good.
    In one whose folder was moved or copied, the addresses of its files are brought to where they are now.

    Args:
        uri: A database or HTTP address; a relative SQLite path starts at `root`.
        root: The project.

    Raises:
        TrackingError: If the database cannot be made or read.
    """
    if not uri.startswith(SQLITE):
        return uri
    try:
        database = plain_path(root.absolute() / uri.removeprefix(SQLITE))
    except OSError as error:
        raise TrackingError(f"Cannot make a link to {root} in {tempfile.gettempdir()}: {error.strerror}") from None
    address = f"{SQLITE}{database}"
    try:
        database.parent.mkdir(parents=True, exist_ok=True)
        with plain_errors(address), _locked(database.with_name(f"{database.name}.lock")):
            if not database.exists():
                _create(database)
            _relocate(database)
    except (OSError, sqlite3.Error) as error:
        raise TrackingError(f"Cannot use MLflow's database {database}: {error}") from None
    return address


def artifact_location(uri: str, root: Path) -> str | None:
    """Return where a new experiment keeps its files: beside a SQLite database, for a server as the server says."""
    if uri.startswith(SQLITE):
        return (Path(uri.removeprefix(SQLITE)).parent / ARTIFACTS).as_uri()
    return None if uri.startswith(("http", "databricks")) else (root.absolute() / ARTIFACTS).as_uri()


def plain_path(path: Path) -> Path:
    """Return a path that an address can hold, by a link to its folder where the folder's name holds what none can.

    MLflow takes addresses only: in one of SQLite all behind `?` is a setting, and bytes that are no UTF-8 come back
    from `file://` as others. The link's name is a digest of the folder's, below a folder that is this user's alone, so
    that all processes find the same.

    Raises:
        OSError: If the link cannot be made, or somebody else's folder is in its place.
    """
    if not _UNFIT.search(str(path)):
        return path
    links = Path(tempfile.gettempdir()) / f"qatflow-{os.getuid()}"
    links.mkdir(mode=0o700, exist_ok=True)
    if links.is_symlink() or links.stat().st_uid != os.getuid() or links.stat().st_mode & 0o077:
        raise PermissionError(errno.EPERM, "it is not this user's alone", str(links))
    link = links / hashlib.sha256(os.fsencode(path.parent)).hexdigest()[:16]
    with suppress(FileExistsError):
        link.symlink_to(path.parent)
    return link / path.name


@contextmanager
def plain_errors(uri: str) -> Iterator[None]:
    """Turn the errors of MLflow and what is below it into a TrackingError of one line."""
    from mlflow.exceptions import MlflowException
    from requests.exceptions import RequestException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (MlflowException, RequestException, SQLAlchemyError) as error:
        reason = " ".join(str(error).split())[:200]
        advice = "; is it running, and is tracking.uri in params.yaml right? " if uri.startswith("http") else ": "
        raise TrackingError(f"MLflow at {uri} failed{advice}{reason}") from None


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _create(database: Path) -> None:
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    aside = database.with_name(f"{database.name}.new")
    for leftover in database.parent.glob(f"{aside.name}*"):
        leftover.unlink()
    store = SqlAlchemyStore(f"{SQLITE}{aside}", (database.parent / ARTIFACTS).as_uri())
    store.engine.dispose()
    aside.replace(database)


def _relocate(database: Path) -> None:
    """Replace the former folder in all addresses, in one transaction. MLflow's default experiment says which it was."""
    here = (database.parent / ARTIFACTS).as_uri()
    with closing(sqlite3.connect(database, timeout=20)) as connection, connection:
        row = connection.execute("SELECT artifact_location FROM experiments WHERE experiment_id = 0").fetchone()
        there = row[0].removesuffix("/0") if row else here
        if there == here or not there.endswith(f"/{ARTIFACTS}"):  # unmoved, or not made by `_create`
            return
        for table, column in _LOCATIONS:
            connection.execute(
                f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE substr({column}, 1, ?) = ?",  # noqa: S608 (names are ours, values are bound)
                (here, len(there) + 1, len(there), there),
            )
