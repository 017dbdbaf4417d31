"""Mutated bodies, over real HTTP: whatever comes, no reply is a 5xx, and the server lives and still answers right.

Request number N is always the same: `Mutants(...)[N].wire` repeats one that failed.
"""

from __future__ import annotations

import asyncio
import gzip
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import overload

from benchmarks.load import ClosedLoop, Request, Tally
from benchmarks.serving_cases import INVOCATIONS, V2_BINARY, V2_JSON, samples, true_requests
from benchmarks.serving_runs import on_loop
from benchmarks.serving_servers import Server

CONNECTIONS = 16
KEPT = 5
TOKENS = (
    *(b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-1e999", b"1e-999", b"9" * 400, b"-0", b"0.1e", b"null", b"true"),
    *(
        b"[",
        b"]",
        b"{",
        b"}",
        b"[]",
        b"{}",
        b",",
        b":",
        b'"',
        b"\\u0000",
        b"\\ud800",
        b"\\",
        b"\xff\xfe",
        b"\x00",
        b"\r\n",
    ),
    *(
        b"[" * 1200,
        b'{"a":' * 1200,
        b"[[[[[]]]]]",
        b"9223372036854775808",
        b"18446744073709551616",
        b"-1",
        b"2147483648",
    ),
    *(
        b'"shape"',
        b'"data"',
        b'"datatype"',
        b'"INT8"',
        b'"FP32"',
        b'"BYTES"',
        b'"FP64"',
        b'"id"',
        b'"inputs"',
        b'"outputs"',
    ),
    *(
        b'"instances"',
        b'"dataframe_split"',
        b'"dataframe_records"',
        b'"columns"',
        b'"parameters"',
        b'"binary_data_size"',
    ),
    *(
        b'"binary_data_output"',
        b'"scores"',
        b'"labels"',
        b'"params"',
        b"[1,8,8,1]",
        b"[0,8,8,1]",
        b"[999999999999,8,8,1]",
    ),
)
TYPES = (
    b"application/json",
    b"application/json",
    b"application/octet-stream",
    b"text/csv",
    b"multipart/form-data",
    b"",
)
ENCODINGS = (b"gzip", b"deflate", b"br", b"identity", b"gzip, gzip")


@dataclass(slots=True)
class Statuses(Tally):
    """Counts statuses; a 5xx, and a connection that ends without a reply, is a failure. 200 counts as right.

    Attributes:
        statuses: Status -> replies.
        culprits: The first requests that failed.
    """

    statuses: dict[bytes, int] = field(default_factory=dict)
    culprits: list[bytes] = field(default_factory=list)

    def judge(self, request: Request, status: bytes, head: bytes, body: bytes) -> bool:  # noqa: ARG002
        """Count a reply."""
        self.statuses[status] = self.statuses.get(status, 0) + 1
        if status[:1] in {b"2", b"4"}:
            self.right += 1
        else:
            self.fail(f"{status.decode('latin-1')} {body[:120]!r}")
            if len(self.culprits) < KEPT:
                self.culprits.append(request.wire)
        return False


@dataclass(frozen=True, slots=True)
class Seed:
    """A right request.

    Attributes:
        header: Of binary tensors: length of the JSON before them.
    """

    path: bytes
    body: bytes
    header: int | None = None


class Mutants(Sequence[Request]):
    """Requests number 0 to 2^62, each made from one of a few right ones by up to 8 changes of its body or headers."""

    def __init__(self, port: int, token: str) -> None:
        self._seeds = _seeds()
        self._rest = f"Host: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}".encode()

    def __len__(self) -> int:
        return 2**62

    @overload
    def __getitem__(self, index: int) -> Request: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Request]: ...
    def __getitem__(self, index: int | slice) -> Request | Sequence[Request]:
        """Return request number `index`."""
        assert isinstance(index, int)
        chance = random.Random(index)  # noqa: S311 (no secret)
        seed = chance.choice(self._seeds)
        body = seed.body
        for _ in range(chance.choice((0, 1, 1, 1, 2, 4, 8))):
            body = _mutated(chance, body, self._seeds)
        headers = [b"Content-Type: " + chance.choice(TYPES)]
        length = seed.header
        if chance.random() < 0.05:
            length = chance.choice((chance.randrange(-2, len(body) + 9), 10 ** chance.randrange(20)))
        if length is not None:
            headers.append(b"Inference-Header-Content-Length: %d" % length)
        if chance.random() < 0.02:
            headers.append(b"Content-Encoding: " + chance.choice(ENCODINGS))
            body = gzip.compress(body, 1) if chance.random() < 0.5 else body
        lines = [b"POST %s HTTP/1.1" % seed.path, self._rest, *headers, b"Content-Length: %d" % len(body), b"", body]
        return Request(b"\r\n".join(lines), {})


def _seeds() -> list[Seed]:
    """Return right requests of each form that the server speaks."""
    found = []
    for dialect in (V2_JSON, INVOCATIONS, V2_BINARY):
        for size in (1, 3):
            headers, body = dialect.encode(samples(size))
            length = headers.get("Inference-Header-Content-Length")
            found.append(Seed(dialect.path.encode(), body, int(length) if length else None))
    v2, scoring = V2_JSON.path.encode(), INVOCATIONS.path.encode()
    raw = b'{"id":"x","inputs":[{"name":"input","shape":[1,8,8,1],"datatype":"INT8","data":[%s1]}]}' % (b"1," * 63)
    return [
        *found,
        Seed(v2, raw),
        Seed(scoring, b'{"dataframe_split":{"columns":["a","b"],"data":[[1,2],[3,4]]}}'),
        Seed(scoring, b'{"dataframe_records":[{"a":1.5,"b":2},{"a":3,"b":4}]}'),
        Seed(scoring, b"a,b\n1,2\n3.5,4\n"),
        Seed(b"/v2/feedback", b'{"labels":[{"id":"abc-1","label":"3"},{"id":"abc-2","label":"4"}]}'),
    ]


def _mutated(chance: random.Random, body: bytes, seeds: Sequence[Seed]) -> bytes:
    """Return the body with one change: a bit, a word in or over it, a piece left out, doubled, cut off or exchanged."""
    at = chance.randrange(len(body) + 1)
    end = min(len(body), at + chance.choice((1, 2, 4, 16, 64, 512)))
    before, other = body[:at], chance.choice(seeds).body
    flipped = bytes([body[at] ^ 1 << chance.randrange(8)]) if at < len(body) else b""
    word = chance.choice(TOKENS)
    changed = (flipped + body[at + 1 :], word + body[at:], word + body[end:], body[end:], body[at:end] + body[at:], b"")
    return before + chance.choice((*changed, other[chance.randrange(len(other)) :]))


def fuzz(server: Server, token: str, bundle: Path, count: int) -> str:
    """Send `count` mutants on 16 connections; the same process must answer right after them. Return the figures."""
    alive = true_requests(V2_JSON, server.port, [samples(1)], [bundle], token)
    tally = Statuses()
    on_loop(_send(server, Mutants(server.port, token), tally, count))
    after = on_loop(ClosedLoop(server.address, alive).run(connections=1, replies=100))
    statuses = ", ".join(f"{number:,} x {status.decode()}" for status, number in sorted(tally.statuses.items()))
    said = (
        f"{count:,} mutated requests over HTTP: {statuses}; {tally.failed} failed {tally.kinds or ''}; the process "
        f"{'lives' if server.process.poll() is None else 'is dead'}, {after.right} of 100 replies after it right; "
        f"{count / tally.wall_s:,.0f} a second.\n"
    )
    return said + "".join(f"\n    {culprit[:1500]!r}\n" for culprit in tally.culprits)


async def _send(server: Server, mutants: Mutants, tally: Statuses, count: int) -> Tally:
    await asyncio.sleep(0)
    return await ClosedLoop(server.address, mutants, tally).run(connections=CONNECTIONS, replies=count)
