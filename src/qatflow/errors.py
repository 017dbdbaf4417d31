"""Errors a user can cause. Each message says what was wrong, where, and what would be right."""

import difflib
import errno
import os
import re
from collections.abc import Iterable, Mapping
from typing import TypeVar

T = TypeVar("T")
_SECRET = re.compile(r"(?<=://)[^\s'\"]+(?=@)|(?<=password=)[^&\s'\"]+|(?<=pwd=)[^&\s'\"]+", re.IGNORECASE)


def hidden(text: str) -> str:
    """Return a text without what may open something: who is before the @ of an address, and passwords in its query."""
    return _SECRET.sub("…", text)


class QATFlowError(Exception):
    """Base of every error that is shown to a user without a traceback. Its text holds no password of an address.

    Example:
        >>> try:
        ...     qatflow.quantize(model, (x, y), "qat_w4a")
        ... except qatflow.QATFlowError as error:
        ...     print(str(error)[-24:])
        Did you mean 'qat_w4a8'?
    """

    def __str__(self) -> str:
        """Return the message as it may be shown."""
        return hidden(super().__str__())


class MissingExtraError(QATFlowError):
    """A package that an extra of qatflow brings is not installed; the message says how to get it."""


class ParamsError(QATFlowError):
    """A parameter is unknown, mistyped or out of range."""


class DataError(QATFlowError):
    """The data cannot be used as they are."""


class ModelError(QATFlowError):
    """A model file or architecture cannot be used."""


class ArtifactError(QATFlowError):
    """A stage's output is missing, half written or altered."""


class ConversionError(QATFlowError):
    """A model could not become the promised flatbuffer."""


class CodeError(QATFlowError):
    """The code that a stage runs cannot be read, so what made its output cannot be said."""


class StageError(QATFlowError):
    """A stage of the graph failed, was killed or ran out of time."""


class ChangedError(QATFlowError):
    """What a stage read was edited before its end. Nothing is wrong with it: the stage can begin again."""


class LostError(StageError):
    """A process ended without an answer: it was killed, or crashed."""


class TrackingError(QATFlowError):
    """The tracking server or model registry cannot be used."""


class PromotionError(QATFlowError):
    """A promotion or rollback is not allowed in the present state."""


class DeployError(QATFlowError):
    """A bundle cannot be deployed or run."""


class ServingError(QATFlowError):
    """The server cannot be started, or does not answer as it should."""


class MonitoringError(QATFlowError):
    """Records or the reference of a monitored model cannot be used."""


class StreamError(QATFlowError):
    """A stream cannot be read or written, or is held by somebody else."""


class OffsetGoneError(StreamError):
    """What follows an offset is no longer in the stream, or never was."""


class OtherSchemaError(StreamError):
    """A stream holds records of another version or kind."""


class PoisonError(QATFlowError):
    """One record that cannot be used; the text is the reason that goes to the dead letters."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Say what was probably meant, as a sentence to put behind an error; empty if nothing is near."""
    match = difflib.get_close_matches(name, list(known), n=1)
    return f" Did you mean '{match[0]}'?" if match else ""


def lookup(kind: str, name: str, table: Mapping[str, T]) -> T:
    """Return the member `name` of a registry of plugs.

    Raises:
        ParamsError: If there is no such member; the message lists the known ones and the nearest match.
    """
    if name not in table:
        raise ParamsError(f"Unknown {kind} '{name}'. Known: {', '.join(sorted(table))}.{nearest(name, table)}")
    return table[name]


_REFUSALS = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT}


def refusal(error: OSError) -> str:
    """Return what the system refused, and where; what is no refusal for lack of rights or room is raised again."""
    if error.errno is None or error.errno not in _REFUSALS:
        raise error
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{os.strerror(error.errno)}. Whoever works in a project must own it, and have room on the disk."
