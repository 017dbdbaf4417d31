"""Writes records so that nothing that goes wrong with them reaches the server: it stops, says so once, and recovers."""

from __future__ import annotations

import fcntl
import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, TypeVar

from qatflow.artifacts import lies_at
from qatflow.errors import MonitoringError
from qatflow.monitoring.schema import RECORDS, open_or_set_aside, set_aside

T = TypeVar("T")
LOCK = ".lock"
RETRY_S = 1.0
log = logging.getLogger("qatflow.monitoring")


class Writer:
    """The one writer of a folder's records. Safe to call from several threads.

    Attributes:
        trouble: Why nothing is recorded at present; empty if all is well.
        set_aside: Damaged files that were renamed.

    Raises:
        MonitoringError: If another server records into `folder`, or its records are of another version.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.trouble = ""
        self.set_aside: list[Path] = []
        self._connection: sqlite3.Connection | None = None
        self._lock_file: IO[str] | None = None
        self._mutex = threading.RLock()
        self._retry_at = 0.0
        self.run(lambda _: None)

    def run(self, work: Callable[[sqlite3.Connection], T]) -> T | None:
        """Return what `work` does with the open records; None if they cannot be used now.

        Records that somebody deletes or replaces meanwhile would take what nobody can read: they are begun anew.

        Raises:
            MonitoringError: If another server records into the folder, or its records are of another version.
        """
        with self._mutex:
            if self.trouble and time.monotonic() < self._retry_at:
                return None
            try:
                self._leave_if_lost()
                done = work(self._open())
                if self._leave_if_lost():
                    return None
            except sqlite3.OperationalError as error:
                self._stop(str(error))
            except sqlite3.DatabaseError as error:
                self._replace(error)
            except OSError as error:
                self._stop(error.strerror or str(error))
            else:
                self._recover()
                return done
            return None

    def close(self) -> None:
        """Let go of the folder."""
        with self._mutex:
            self._disconnect()
            if self._lock_file is not None:
                self._lock_file.close()
                self._lock_file = None

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            self._lock()
            self._connection, aside = open_or_set_aside(self.folder)
            self._file = (self.folder / RECORDS).stat()
            if aside is not None:
                self._note(aside)
        return self._connection

    def _leave_if_lost(self) -> bool:
        """Let go of records, or of a lock, that are no longer in the folder; say whether it was so."""
        if self._connection is None or self._lock_file is None:
            return False
        held = ((self.folder / RECORDS, self._file), (self.folder / LOCK, os.fstat(self._lock_file.fileno())))
        if all(lies_at(path, there) for path, there in held):
            return False
        log.error("the records in %s were deleted or replaced; new ones are begun", self.folder)
        self.close()
        return True

    def _lock(self) -> None:
        if self._lock_file is not None:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        file = (self.folder / LOCK).open("w")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            raise MonitoringError(
                f"Another server records into {self.folder}; give this one another folder (monitoring.path)"
            ) from None
        self._lock_file = file

    def _stop(self, why: str) -> None:
        if not self.trouble:
            log.error("recording into %s stopped: %s. Serving goes on; recording is tried again", self.folder, why)
        self.trouble, self._retry_at = why, time.monotonic() + RETRY_S
        self._disconnect()

    def _replace(self, error: sqlite3.DatabaseError) -> None:
        self._disconnect()
        log.error("the records in %s are damaged: %s", self.folder, error)
        with suppress(OSError):
            self._note(set_aside(self.folder))

    def _note(self, aside: Path) -> None:
        log.error("damaged records were set aside as %s; new ones are begun", aside)
        self.set_aside.append(aside)

    def _recover(self) -> None:
        if self.trouble:
            log.warning("recording into %s goes on; it had stopped: %s", self.folder, self.trouble)
            self.trouble = ""

    def _disconnect(self) -> None:
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None
