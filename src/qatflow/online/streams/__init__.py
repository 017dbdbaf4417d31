"""Streams by scheme. A new kind is one file and one line here."""

from collections.abc import Callable, Mapping

from qatflow.errors import lookup
from qatflow.online.streams.address import Address, parse_address
from qatflow.online.streams.base import DeadLetter, Record, Stream, position
from qatflow.online.streams.kafka import open_kafka
from qatflow.online.streams.redis_stream import open_redis
from qatflow.online.streams.spool import open_spool

__all__ = ["STREAMS", "DeadLetter", "Record", "Stream", "open_stream", "position"]

STREAMS: Mapping[str, Callable[[Address], Stream]] = {
    "kafka": open_kafka,
    "redis": open_redis,
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
