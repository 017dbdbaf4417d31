"""Structured logs: one JSON object a line, so that nothing a client sends can forge a line."""

from __future__ import annotations

import json
import logging
import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

log = logging.getLogger(__name__)
STDERR, MAX_TEXT = 2, 1 << 20
EXTRAS = ("event", "model_version")


class JsonLines(logging.Formatter):
    """Writes time (UTC), level, message, and what `extra` of EXTRAS holds."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        when = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line = {"time": when, "level": record.levelname.lower(), "message": record.getMessage()}
        line |= {name: getattr(record, name) for name in EXTRAS if hasattr(record, name)}
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line)


def log_to_stderr() -> None:
    """Send the logs of the server and of uvicorn to stderr, with all warnings, and what no thread caught."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    logging.getLogger("uvicorn").setLevel(logging.ERROR)  # each bad request is one warning there: a client could flood
    logging.captureWarnings(capture=True)
    threading.excepthook = _caught
    sys.unraisablehook = _unraisable


@contextmanager
def native_text_logged() -> Iterator[None]:
    """Log what libraries write to stderr past Python while the block runs: LiteRT announces its delegates so."""
    with tempfile.TemporaryFile() as text, os.fdopen(os.dup(STDERR), "wb") as stderr:
        sys.stderr.flush()
        os.dup2(text.fileno(), STDERR)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(stderr.fileno(), STDERR)
            text.seek(0)
            for line in filter(None, text.read(MAX_TEXT).decode("utf-8", "replace").splitlines()):
                if line.startswith("{"):  # one of ours
                    sys.stderr.write(f"{line}\n")
                else:
                    log.info("%s", line, extra={"event": "library"})


def _caught(uncaught: threading.ExceptHookArgs) -> None:
    """Log what ended a thread; a traceback on stderr would be many lines."""
    if uncaught.exc_value is not None:
        log.error("a thread ended", exc_info=uncaught.exc_value)


def _unraisable(unraisable: Any) -> None:
    log.error("%s", unraisable.err_msg or "an error nobody could catch", exc_info=unraisable.exc_value)
