"""Addresses of streams: `scheme:place?option=value`, where the options of each kind are the fields of a dataclass."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import Field, dataclass, fields
from typing import Any, ClassVar, Protocol, TypeVar
from urllib.parse import parse_qsl, urlsplit

from qatflow.errors import ParamsError, nearest


class Options(Protocol):
    """A dataclass of whole numbers, decimal numbers, words and switches, each with a default."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]


O = TypeVar("O", bound=Options)  # noqa: E741
_SWITCH = {"true": True, "false": False}


@dataclass(frozen=True)
class Address:
    """Where a stream is.

    Attributes:
        scheme: Kind of the stream.
        place: What is between the colon and the options.
        options: As written.
    """

    scheme: str
    place: str
    options: Mapping[str, str]

    def __str__(self) -> str:
        return f"{self.scheme}:{self.place}"


@dataclass(frozen=True)
class Broker:
    """A place on a broker: `//host:port/name`."""

    host: str
    port: int
    name: str


def parse_address(text: str) -> Address:
    """Take an address apart.

    Raises:
        ParamsError: If it has no scheme or no place, or names an option twice.
    """
    scheme, colon, rest = text.partition(":")
    place, _, query = rest.partition("?")
    if not colon or not place:
        raise ParamsError(f"'{_shown(text)}' is no address of a stream; expected spool:DIR or redis://HOST:PORT/KEY")
    pairs = parse_qsl(query, keep_blank_values=True)
    options = dict(pairs)
    if len(options) < len(pairs):
        raise ParamsError(f"'{_shown(text)}' names an option twice")
    return Address(scheme, place, options)


def parse_broker(address: Address, default_port: int) -> Broker:
    """Return host, port and name of an address on a broker.

    Raises:
        ParamsError: If it is not `SCHEME://HOST[:PORT]/NAME`, or holds a password.
    """
    try:
        parts = urlsplit(address.place)
        port = parts.port or default_port
    except ValueError:
        parts, port = urlsplit(""), 0
    if "@" in parts.netloc:
        raise ParamsError(f"An address holds no password; give {address.scheme.upper()}_PASSWORD in the environment")
    name = parts.path.removeprefix("/")
    if not parts.hostname or not name:
        raise ParamsError(f"'{address}' is no address of a stream; expected {address.scheme}://HOST:PORT/NAME")
    return Broker(parts.hostname, port, name)


def read_options(address: Address, kind: type[O]) -> O:
    """Return the options of an address, the rest by default.

    Raises:
        ParamsError: If an option is unknown or no value for it; the message lists the known ones.
    """
    known = {field.name: field for field in fields(kind)}
    values: dict[str, Any] = {}
    for name, text in address.options.items():
        if name not in known:
            raise ParamsError(
                f"{address}: unknown option '{name}'. Known: {', '.join(sorted(known))}.{nearest(name, known)}"
            )
        values[name] = _value(f"{address}: option '{name}'", text, known[name].default)
    return kind(**values)


def _value(where: str, text: str, default: Any) -> Any:
    try:
        value = _SWITCH[text] if isinstance(default, bool) else type(default)(text)
    except (KeyError, ValueError):
        kind = "true or false" if isinstance(default, bool) else f"a value such as {default}"
        raise ParamsError(f"{where} is '{text[:40]}'; expected {kind}") from None
    if not isinstance(value, str) and not 0 <= value < 1 << 62:  # nan is not either
        raise ParamsError(f"{where} is {text[:40]}; expected a number from 0")
    return value


def _shown(text: str) -> str:
    """Return an address without what may be a password."""
    before, at, after = text.rpartition("@")
    return f"{before.partition('//')[0]}//…@{after}" if at else text
