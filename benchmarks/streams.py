"""Records a second that the streams append and read, beside what decoding and joining take.

    python -m benchmarks.streams [--records 100000] [--rounds 5] [--out benchmarks/results/streams.md]

Payloads are digits, (8, 8, 1) float32. The Redis server is a real one, whose append-only file is synced at each write;
reading is measured with the lease, so with its consumer group and acknowledgements, too. Streams take turns in each
round; figures are medians, with the lowest and highest. All that is read is compared with what was appended.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
import time
from collections.abc import Callable
from contextlib import closing, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import numpy as np

from qatflow.online.join import Join
from qatflow.online.records import Sample, decode, encode
from qatflow.online.streams import Stream, open_stream
from tests.online.redis_server import redis_server

GROUP = 1000
Figures = dict[str, list[float]]


def payloads(count: int) -> list[bytes]:
    """Return `count` encoded samples."""
    x = np.random.default_rng(0).random((count, 8, 8, 1), np.float32)
    return [encode(Sample(f"0-{number}", number / 100, one, number % 10)) for number, one in enumerate(x)]


def append(stream: Stream, wanted: list[bytes], at_once: int) -> None:
    """Append all, `at_once` in a durable group."""
    for start in range(0, len(wanted), at_once):
        stream.append(wanted[start : start + at_once])


def read(stream: Stream, wanted: list[bytes], *, leased: bool) -> None:
    """Read all and compare; a leased reader commits every group."""
    done, after = 0, None
    with stream.lease() if leased else nullcontext():
        while done < len(wanted):
            records = stream.read(after, GROUP)
            assert [record.payload for record in records] == wanted[done : done + len(records)]
            done, after = done + len(records), records[-1].offset
            if leased:
                stream.commit(after)


def understand(wanted: list[bytes]) -> None:
    """Decode all and join them."""
    join = Join((8, 8, 1), 5000)
    assert sum(join.take(decode(payload, (8, 8, 1))) is not None for payload in wanted) == len(wanted)


def measure(figures: Figures, name: str, count: int, work: Callable[[], None]) -> None:
    """Note how many records a second a piece of work does."""
    begun = time.perf_counter()
    work()
    figures.setdefault(name, []).append(count / (time.perf_counter() - begun))


def one_round(figures: Figures, kind: str, address: str, wanted: list[bytes]) -> None:
    """Measure one stream once."""
    few = wanted[: max(1, len(wanted) // 100)]
    with closing(open_stream(f"{address}-single")) as stream:
        measure(figures, f"{kind}: append, one at once", len(few), lambda: append(stream, few, 1))
    with closing(open_stream(address)) as stream:
        measure(figures, f"{kind}: append, {GROUP} at once", len(wanted), lambda: append(stream, wanted, GROUP))
        measure(figures, f"{kind}: read", len(wanted), lambda: read(stream, wanted, leased=False))
        measure(figures, f"{kind}: read with the lease, commit", len(wanted), lambda: read(stream, wanted, leased=True))


def table(figures: Figures) -> str:
    """Return the figures as a Markdown table."""
    rows = [
        f"| {name} | {median(found):,.0f} | {min(found):,.0f} to {max(found):,.0f} |" for name, found in figures.items()
    ]
    return "\n".join(["| | records/s | range |", "| --- | ---: | ---: |", *rows])


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    wanted, figures = payloads(options.records), Figures()
    with redis_server() as server, tempfile.TemporaryDirectory() as folder:
        for number in range(options.rounds):
            one_round(figures, "spool", f"spool:{folder}/{number}", wanted)
            one_round(figures, "Redis", f"{server.url}{number}", wanted)
            measure(figures, "decode and join", len(wanted), lambda: understand(wanted))
    command = f"python -m benchmarks.streams --records {options.records} --rounds {options.rounds}"
    machine = f"{os.cpu_count()} cores ({platform.machine()}, virtual), load {os.getloadavg()[0]:.1f}"
    text = (
        f"# Streams\n\n`{command}`, {datetime.now(UTC):%Y-%m-%d}, {machine}, Python {platform.python_version()}. "
        f"Payloads of {len(wanted[0])} bytes. Redis on the same cores, `appendfsync always`.\n\n{table(figures)}\n"
    )
    print(text)
    if options.out:
        options.out.write_text(text)


if __name__ == "__main__":
    main()
