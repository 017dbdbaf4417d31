"""A long course, bounded in time: do memory, disk and speed stay what they were?

`python -m benchmarks.online_soak PROJECT [--records N] [--stream spool|redis]`; PROJECT was run (`make run`). A process
of its own writes records as fast as it may: each turning digit and, five samples later, its label. The learner answers,
learns, writes checkpoints, and releases candidates into a real registry. It never has the whole stream: the spool keeps
32 MiB and makes its writer wait, Redis drops what was committed.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import numpy as np

from qatflow import params_file
from qatflow.artifacts import Array
from qatflow.errors import StreamError
from qatflow.online.feed import Feed, open_pool, records
from qatflow.online.records import LateLabel, Sample, encode
from qatflow.online.streams import open_stream
from qatflow.online.streams.base import Stream
from qatflow.online.streams.redis_stream import RedisStream

LAP, GROUP, DELAY = 100_000, 500, 5
AHEAD = 100_000
"""So many records is the writer to Redis ahead of the learner at most."""
SETTINGS = {"candidate_every": 50_000, "checkpoint_every": 1000}
MARKS = 20
MIB = 1 << 20


def main() -> None:
    """Print a row at each mark, and what grew from the first tenth on."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("project", type=Path)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--stream", choices=["spool", "redis"], default="spool")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="qatflow-soak-") as folder, _address(arguments.stream, folder) as address:
        home = Path(folder) / "home"
        shutil.copytree(arguments.project, home, symlinks=True)
        writer = multiprocessing.get_context("spawn").Process(
            target=write, args=(address, str(home), arguments.records), daemon=True
        )
        writer.start()
        rows = learn(home, address, arguments.records)
        writer.join()
    _summary(np.array(rows))


@contextmanager
def _address(kind: str, folder: str) -> Iterator[str]:
    if kind == "spool":
        yield f"spool:{folder}/spool?retain_bytes={32 * MIB}&segment_bytes={4 * MIB}"
        return
    from tests.online.redis_server import redis_server

    with redis_server() as server:
        yield f"redis://127.0.0.1:{server.port}/soak?trim=true"


def write(address: str, project: str, count: int) -> None:
    """Append records in groups; wait while the stream is full, or far ahead of its reader."""
    samples = [one for one in records(open_pool(project), Feed(LAP, 1, "rotation")) if isinstance(one, Sample)]
    with closing(open_stream(address)) as stream:
        for first in range(0, count, GROUP):
            group = [_payload(samples, number) for number in range(first, min(first + GROUP, count))]
            while not _appended(stream, group):
                time.sleep(0.05)


def _payload(samples: list[Sample], number: int) -> bytes:
    """Return record `number`: a sample, or the label of the one `DELAY` samples before; each lap has ids of its own."""
    index = number // 2 - DELAY * (number % 2)
    lap, row = divmod(max(0, index), LAP)
    sample = samples[row]
    name, when = f"{lap}-{row}", sample.time + lap * LAP / 100.0
    if number % 2 and index >= 0 and sample.label is not None:
        return encode(LateLabel(name, when + 1.0, sample.label))
    return encode(Sample(name, when, sample.x))


def _appended(stream: Stream, group: list[bytes]) -> bool:
    if isinstance(stream, RedisStream):
        if stream.lag(None) > AHEAD:  # it holds what was not committed
            return False
        stream.append(group)
        return True
    try:
        stream.append(group)
    except StreamError as error:
        if "is full" not in str(error):
            raise
        return False
    return True


def learn(home: Path, address: str, count: int) -> list[tuple[float, ...]]:
    """Learn so many records; return (records, seconds, MiB of memory, MiB of the state, MiB of the stream) at marks."""
    from qatflow import backend
    from qatflow.adapters.online_release import ProjectRelease
    from qatflow.deploy.local import current
    from qatflow.online.course import Course
    from qatflow.online.run import run
    from qatflow.online.source import begin, open_source

    params = params_file.load(home / "params.yaml")
    params = params.model_copy(update={"online": params.online.model_copy(update=SETTINGS)})
    source = open_source(home, params, current(home / "deployed"))
    backend.start(params.seed)
    release = ProjectRelease(home, params, source.data, source.strategy, {}, "soak")
    rows: list[tuple[float, ...]] = []
    state, started = home / "online", time.monotonic()
    print("| records | seconds | records/s | memory MiB | checkpoints MiB | stream MiB | prequential % |", flush=True)
    print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: |", flush=True)

    def watch(course: Course, event: str, lag: int | None) -> None:  # noqa: ARG001
        if event == "checkpoint" and course.now.records >= (len(rows) + 1) * count // MARKS:
            seconds = time.monotonic() - started
            rows.append((course.now.records, seconds, _memory(), _disk(state), _disk(home.parent / "spool")))
            rate = (rows[-1][0] - (rows[-2][0] if rows[1:] else 0)) / (seconds - (rows[-2][1] if rows[1:] else 0))
            shown = (f"{value:.0f}" for value in (*rows[-1][:2], rate, *rows[-1][2:]))
            print(f"| {' | '.join(shown)} | {100 * (course.prequential.recent() or 0):.1f} |", flush=True)

    made = begin(source, params)
    with closing(open_stream(address)) as stream:
        run(made, stream, state, release, watch, stop=lambda: made.now.records >= count)
    counts = made.parts.intake.counts
    outcomes = [judged.outcome for judged in made.candidates]
    print(f"\n{counts}; {len(outcomes)} candidates, {outcomes.count('promoted')} promoted, {made.now.learned} learned")
    missing = counts["samples"] - counts["joined"] - counts["waiting"] - counts["duplicate"]
    print(f"samples that were neither learned nor are waiting: {missing}")
    return rows


def _memory() -> float:
    """Return the process's resident memory in MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / MIB


def _disk(folder: Path) -> float:
    """Return the size of a folder's files in MiB; some may go meanwhile."""
    sizes = []
    for path in folder.rglob("*") if folder.is_dir() else ():
        with suppress(FileNotFoundError):
            sizes.append(path.lstat().st_size)
    return sum(sizes) / MIB


def _summary(rows: Array) -> None:
    later = rows[len(rows) // 10 :]
    slope = np.polyfit(later[:, 0] / 1e5, later[:, 2], 1)[0]
    print(f"memory after the first tenth: {later[0, 2]:.0f} MiB, at the end {later[-1, 2]:.0f}, ", end="")
    print(f"line through all: {slope:+.2f} MiB for 100,000 records; most {later[:, 2].max():.0f}")
    print(f"most checkpoints {later[:, 3].max():.1f} MiB, most stream {later[:, 4].max():.1f} MiB")


if __name__ == "__main__":
    main()
