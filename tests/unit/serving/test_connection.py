"""The guarded connection, fed bytes by hand: what it writes, and when it hangs up."""

import asyncio
import json

import pytest
import uvicorn
from uvicorn.server import ServerState

from qatflow.errors import ServingError
from qatflow.params.serving import ServingParams
from qatflow.serving.connection import MAX_HEAD_BYTES, check_hook, connection_class
from qatflow.serving.heads import MAX_HEADERS, ONCE

LIMITS = ServingParams(max_requests=2, max_connections=2, timeout_s=0.05)
HEAD = b"POST /x HTTP/1.1\r\nhost: here\r\ncontent-length: 2\r\n\r\n"


class Wire(asyncio.Transport):
    """What a socket would be."""

    def __init__(self) -> None:
        super().__init__()
        self.written, self.closed, self.aborted = b"", False, False

    def write(self, data) -> None:
        self.written += data

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = self.aborted = True

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None:
        """Nothing comes by itself."""

    def resume_reading(self) -> None:
        """Nothing comes by itself."""


class Server:
    """Connections to an application that answers when it is let."""

    def __init__(self) -> None:
        self.state, self.sheds, self.let, self.status = ServerState(), [], asyncio.Event(), 200
        self.kind = connection_class(LIMITS, lambda: self.sheds.append(1))
        self.config = uvicorn.Config(
            self.app, http=self.kind, ws="none", lifespan="off", interface="asgi3", log_config=None
        )
        self.config.load()

    async def app(self, scope, receive, send) -> None:
        await self.let.wait()
        headers = ((b"content-length", b"2"),)
        assert scope["qatflow.write"](self.status, headers, b"ok")

    def connect(self):
        protocol, wire = self.kind(self.config, self.state, {}), Wire()
        protocol.connection_made(wire)
        return protocol, wire


def run(test):
    return asyncio.run(test())


def test_a_reply_is_one_write_and_the_connection_stays():
    async def test():
        server = Server()
        protocol, wire = server.connect()
        server.let.set()
        for _ in range(2):
            protocol.data_received(HEAD + b"{}")
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        assert wire.written == b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok" * 2
        assert not wire.closed

    run(test)


def test_beyond_the_limit_requests_are_shed_without_a_task_and_probes_are_not():
    async def test():
        server = Server()
        protocols = [server.connect() for _ in range(2)]
        for protocol, _ in protocols:
            protocol.data_received(HEAD + b"{}")
        third, wire = server.kind(server.config, server.state, {}), Wire()
        server.state.connections.pop()
        third.connection_made(wire)
        third.data_received(HEAD + b"{}")
        head, _, body = wire.written.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 429 ")
        assert b"retry-after: 1" in head
        assert json.loads(body)["error"]
        assert len(server.sheds) == 1
        assert not wire.closed
        third.data_received(b"GET /v2/health/live HTTP/1.1\r\nhost: here\r\n\r\n")
        assert len(server.state.tasks) == 3
        server.let.set()
        await asyncio.gather(*server.state.tasks)
        assert wire.written.endswith(b"ok")

    run(test)


def test_beyond_the_limit_the_oldest_that_never_asked_gives_way():
    async def test():
        server = Server()
        server.let.set()
        silent, asked = server.connect(), server.connect()
        asked[0].data_received(HEAD + b"{}")
        await asyncio.gather(*server.state.tasks)
        newcomer = server.connect()
        assert [wire.aborted for _, wire in (silent, asked, newcomer)] == [True, False, False]
        silent[0].connection_lost(None)
        newcomer[0].data_received(HEAD + b"{}")
        await asyncio.gather(*server.state.tasks)
        assert server.connect()[1].aborted  # nobody is left to give way

    run(test)


def test_a_stranger_whose_token_was_refused_stays_one():
    async def test():
        server = Server()
        server.status = 401
        server.let.set()
        refused, other = server.connect(), server.connect()
        refused[0].data_received(HEAD + b"{}")
        await asyncio.gather(*server.state.tasks)
        assert refused[0] in server.kind.strangers
        refused[0].connection_lost(None)
        other[0].connection_lost(None)
        assert not server.kind.strangers

    run(test)


@pytest.mark.parametrize(
    "lines",
    [
        b"GET /x HTTP/1.1\r\n\r\n",
        b"GET /x HTTP/1.1\r\nhost: here\r\nHost: there\r\n\r\n",
        *(
            b"POST /x HTTP/1.1\r\nhost: here\r\n%b: a\r\n%b: a\r\n\r\n" % (name.title(), name)
            for name in sorted(ONCE - {b"transfer-encoding", b"content-length"})
        ),
        b"POST /x HTTP/1.1\r\nhost: here\r\ntransfer-encoding: gzip, chunked\r\n\r\n",
        b"POST /x HTTP/1.1\r\nhost: here\r\ntransfer-encoding: gzip\r\ntransfer-encoding: chunked\r\n\r\n",
        b"POST /x HTTP/1.0\r\nhost: here\r\ntransfer-encoding: chunked\r\n\r\n",
        b"GET /x HTTP/1.1\r\nhost: here\r\na: " + b"x" * 40_000 + b"\r\n\r\n",
        b"GET /" + b"x" * 40_000 + b" HTTP/1.1\r\nhost: here\r\n\r\n",
    ],
)
def test_a_head_that_could_be_read_in_two_ways_is_refused(lines):
    async def test():
        protocol, wire = Server().connect()
        protocol.data_received(lines)
        assert wire.aborted or wire.written.startswith(b"HTTP/1.1 400 ")
        assert wire.closed

    run(test)


@pytest.mark.parametrize(
    "lines",
    [
        b"GET /x HTTP/1.0\r\n\r\n",
        b"POST /x HTTP/1.1\r\nhost: here\r\ntransfer-encoding: Chunked\r\n\r\n0\r\n\r\n",
        b"GET /x HTTP/1.1\r\nhost: here\r\naccept: a\r\naccept: b\r\n\r\n",
        b"POST /x HTTP/1.1\r\nhost: here\r\ncontent-length: 60000\r\n\r\n" + bytes(60_000),
    ],
)
def test_a_head_that_is_right_is_answered(lines):
    async def test():
        server = Server()
        server.let.set()
        protocol, wire = server.connect()
        protocol.data_received(lines)
        await asyncio.gather(*server.state.tasks)
        assert wire.written.startswith(b"HTTP/1.1 200 ")

    run(test)


class TestHook:
    """uvicorn's private method that shedding overrides: the canary."""

    def test_this_uvicorn_has_it(self):
        check_hook()

    def test_one_that_lost_it_is_named(self, monkeypatch):
        monkeypatch.setattr("qatflow.serving.connection.HOOK", "_begin_task")
        with pytest.raises(ServingError, match=r"uvicorn [0-9.]+ does not call _begin_task.*uvicorn>="):
            check_hook()


@pytest.mark.parametrize("start", [b"", b"POST /x HT", HEAD[:-2], HEAD + b"{}" + b"POST"])
def test_a_head_that_does_not_end_in_time_is_given_up(start):
    async def test():
        server = Server()
        server.let.set()
        protocol, wire = server.connect()
        if start:
            protocol.data_received(start)
        async with asyncio.timeout(5):
            while not wire.aborted:
                await asyncio.sleep(0.01)

    run(test)


def test_a_head_without_an_end_is_given_up_at_its_size():
    async def test():
        protocol, wire = Server().connect()
        protocol.data_received(b"GET /x HTTP/1.1\r\n")
        for _ in range(MAX_HEAD_BYTES // 1000 + 1):
            protocol.data_received(b"a: " + b"x" * 995 + b"\r\n")
        assert wire.aborted

    run(test)


def test_a_head_of_too_many_lines_is_refused():
    async def test():
        protocol, wire = Server().connect()
        protocol.data_received(b"GET /x HTTP/1.1\r\nhost: here\r\n" + b"a: b\r\n" * (MAX_HEADERS + 1) + b"\r\n")
        assert wire.written.startswith(b"HTTP/1.1 400 ")
        assert wire.closed

    run(test)


def test_a_client_that_does_not_read_is_given_up():
    async def test():
        protocol, wire = Server().connect()
        protocol.data_received(HEAD)
        protocol.pause_writing()
        async with asyncio.timeout(5):
            while not wire.aborted:
                await asyncio.sleep(0.01)
        protocol.connection_lost(None)

    run(test)
