"""`qatflow stream`: fill a stream from a data set, and say what is in one."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from itertools import islice
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from qatflow.online.streams import Stream

AT_ONCE = 1000
SHOWN = 1000

app = typer.Typer(help="Streams of records, for `qatflow online`.", no_args_is_help=True)
Place = Annotated[
    str, typer.Argument(metavar="STREAM", help="DIR, spool:DIR, redis://HOST:PORT/KEY or kafka://HOST:PORT/TOPIC.")
]
Source = Annotated[str, typer.Option("--from", help="digits, a project that was run, or an .npz.")]
Count = Annotated[int, typer.Option(min=1, help="Samples.")]
Seed = Annotated[int, typer.Option(min=0, help="Of the samples' order.")]
Drift = Annotated[str | None, typer.Option(help="rotation, noise or classes; comes in over the middle half.")]
Rate = Annotated[float | None, typer.Option(min=0.001, help="Records a second at most.")]
Delay = Annotated[int, typer.Option(min=0, help="Labels come so many samples after theirs, as records of their own.")]


@app.command()
def append(  # noqa: PLR0913, PLR0917 (the command's options)
    stream: Place,
    source: Source,
    count: Count,
    seed: Seed = 0,
    drift: Drift = None,
    rate: Rate = None,
    label_delay: Delay = 0,
) -> None:
    """Append samples in a random order, which the seed gives."""
    from qatflow.online.feed import Feed, open_pool, records
    from qatflow.online.records import encode

    payloads = (encode(record) for record in records(open_pool(source), Feed(count, seed, drift, label_delay)))
    with closing(_open(stream)) as opened:
        done, last = 0, None
        for group in _groups(payloads, rate):
            last = opened.append(group)[-1]
            done += len(group)
        typer.echo(f" {done} records appended; the last one is {last}")


@app.command()
def info(stream: Place) -> None:
    """Say what is in a stream."""
    with closing(_open(stream)) as opened:
        end = opened.end()
        if end is None:
            typer.echo(" no records")
            return
        first = opened.read(None, 1)[0]
        typer.echo(f" {opened.lag(None)} records, {first.offset} to {end}")
        typer.echo(f" the first is {_described(first.payload)}")
        dead = opened.dead_letters(SHOWN)
        typer.echo(f" {len(dead)}{' or more' if len(dead) == SHOWN else ''} dead letters")
        for letter in dead[:3]:
            typer.echo(f"   {letter.offset}: {letter.reason}")


def _open(stream: str) -> Stream:
    from qatflow.online.streams import open_stream

    return open_stream(stream if ":" in stream else f"spool:{stream}")


def _groups(payloads: Iterable[bytes], rate: float | None) -> Iterator[list[bytes]]:
    """Yield payloads in groups, not faster than `rate` a second."""
    begun, done, iterator = time.monotonic(), 0, iter(payloads)
    size = AT_ONCE if rate is None else max(1, min(AT_ONCE, int(rate / 10)))
    while group := list(islice(iterator, size)):
        if rate is not None:
            time.sleep(max(0.0, begun + done / rate - time.monotonic()))
        done += len(group)
        yield group


def _described(payload: bytes) -> str:
    from qatflow.errors import OtherSchemaError, PoisonError
    from qatflow.online.records import LateLabel, decode

    try:
        record = decode(payload)
    except (OtherSchemaError, PoisonError) as error:
        return f"not usable: {error}"
    if isinstance(record, LateLabel):
        return f"the label {record.label!r} of '{record.id}'"
    shape = "x".join(str(side) for side in record.x.shape)
    return f"sample '{record.id}', {shape}, {'no label yet' if record.label is None else f'label {record.label!r}'}"
