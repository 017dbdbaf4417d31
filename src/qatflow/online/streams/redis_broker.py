"""One connection to a Redis server, that comes back by itself when the server was away."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from typing import Any

import redis
from redis import exceptions

from qatflow.errors import StreamError

Command = Sequence[Any]
AWAY = (redis.ConnectionError, redis.TimeoutError, OSError)
SHORTEST_WAIT_S, LONGEST_WAIT_S = 0.02, 1.0
REPLY_S = 10.0
FIRST_S = 5.0
"""A server that never answered is waited for no longer: its address may be wrong."""


class RedisBroker:
    """Sends commands. Whatever goes wrong is a StreamError.

    Passwords come from REDIS_PASSWORD, with REDIS_USERNAME if there is one, and appear nowhere else.
    A command whose answer was lost is sent again: only commands that may be done twice may be given.

    Args:
        name: How errors name the stream.
        reconnect_s: Seconds for which a server that is away is waited for.
    """

    def __init__(self, name: str, host: str, port: int, reconnect_s: float) -> None:
        self.name = name
        self.reconnections = 0
        self._answered = False
        self._reconnect_s = reconnect_s
        self._connection = redis.Connection(
            host=host,
            port=port,
            username=os.environ.get("REDIS_USERNAME"),
            password=os.environ.get("REDIS_PASSWORD"),
            socket_connect_timeout=REPLY_S,
            socket_timeout=REPLY_S,
            socket_keepalive=True,
            protocol=2,
        )

    def call(self, *command: Any, handled: tuple[str, ...] = ()) -> Any:
        """Return the answer to one command. See `call_all`."""
        return self.call_all([command], handled)[0]

    def call_all(self, commands: Sequence[Command], handled: tuple[str, ...] = ()) -> list[Any]:
        """Return the answers to several commands, sent at once.

        Args:
            commands: Of which each may be done twice.
            handled: Beginnings of refusals that are returned, as exceptions, and not raised.

        Raises:
            StreamError: If the server stays away, lets nobody in, or refuses a command.
        """
        patience_s = self._reconnect_s if self._answered else min(self._reconnect_s, FIRST_S)
        deadline, wait = time.monotonic() + patience_s, SHORTEST_WAIT_S
        while True:
            try:
                return self._exchange(commands, handled)
            except redis.AuthenticationError:
                raise StreamError(f"{self.name}: the server does not let this user in; {_CREDENTIALS}") from None
            except AWAY as error:
                self.close()
                if time.monotonic() + wait > deadline:
                    raise self._away(error, patience_s) from None
            time.sleep(wait)
            wait = min(2 * wait, LONGEST_WAIT_S)
            self.reconnections += 1

    def close(self) -> None:
        """Close the connection; the next command opens it again."""
        self._connection.disconnect()

    def _exchange(self, commands: Sequence[Command], handled: tuple[str, ...]) -> list[Any]:
        self._connection.connect()
        self._connection.send_packed_command(self._connection.pack_commands(commands))
        answers = [self._answer() for _ in commands]
        self._answered = True
        for answer in answers:
            if isinstance(answer, redis.ResponseError) and not str(answer).startswith(handled or "\n"):
                raise self._refused(answer)
        return answers

    def _answer(self) -> Any:
        try:
            return self._connection.read_response()
        except redis.ResponseError as error:
            return error

    def _refused(self, error: redis.ResponseError) -> StreamError:
        text = str(error)
        reason = _BY_KIND.get(type(error)) or _BY_WORD.get(text.partition(" ")[0])
        return StreamError(f"{self.name}: {reason or 'the server refused a command: ' + text[:200]}")

    def _away(self, error: BaseException, patience_s: float) -> StreamError:
        return StreamError(
            f"{self.name}: the server could not be reached for {patience_s:g} s ({type(error).__name__}); start "
            "it, or give the address of one that runs"
        )


_CREDENTIALS = "give REDIS_PASSWORD, and REDIS_USERNAME if there is one, in the environment"
_BY_KIND: Mapping[type[Exception], str] = {
    exceptions.NoPermissionError: "the user may not do what a stream needs; allow it all commands on KEY*",
    exceptions.OutOfMemoryError: "the server's memory is full and nothing was stored; give it more, or trim the stream",
    exceptions.ReadOnlyError: "the server is a replica that takes no writes; give the address of its master",
}
_BY_WORD = {
    "WRONGTYPE": "the key holds something that is no stream; give another key",
    "MISCONF": "the server cannot write to its disk, and nothing was stored",
}
