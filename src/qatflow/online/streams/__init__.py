"""Streams by scheme. A new kind is one file and one line here."""

from collections.abc import Callable, Mapping

from qatflow.errors import lookup
from qatflow.online.streams.address import Address, parse_address
from qatflow.online.streams.base import DeadLetter, Record, Stream, position
from qatflow.online.streams.spool import open_spool

__all__ = ["STREAMS", "DeadLetter", "Record", "Stream", "open_stream", "position"]


def _open_kafka(address: Address) -> Stream:
    from qatflow.online.streams.kafka import open_kafka

    return open_kafka(address)


def _open_redis(address: Address) -> Stream:
    from qatflow.online.streams.redis_stream import open_redis  # its client takes 0.2 s to import

    return open_redis(address)


STREAMS: Mapping[str, Callable[[Address], Stream]] = {
    "kafka": _open_kafka,
    "redis": _open_redis,
    "spool": open_spool,
}


def open_stream(address: str) -> Stream:
    """Open `spool:DIR`, `redis://HOST:PORT/KEY` or `kafka://HOST:PORT/TOPIC`, each with options behind a `?`.

    Raises:
        ParamsError: If the address is malformed, or its kind or an option is unknown.
        StreamError: If the stream cannot be reached.
    """
    parsed = parse_address(address)
    return lookup("kind of stream", parsed.scheme, STREAMS)(parsed)
