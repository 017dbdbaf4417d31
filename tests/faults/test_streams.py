"""Streams under `kill -9`, full disks, a broker that is restarted: nothing acknowledged is lost or comes twice."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing, suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qatflow.errors import StreamError
from qatflow.online.streams import Stream, open_stream
from qatflow.online.streams.spool import Spool
from qatflow.online.streams.spool_writer import SpoolOptions
from tests.faults.killing import killed_before, without_disk
from tests.faults.test_disk_full import UNSHARE, _can_mount
from tests.online.redis_server import RedisServer, redis_server

pytestmark = pytest.mark.fault
SMALL = SpoolOptions(segment_bytes=120, retain_bytes=600)
RESTARTS = 3


def payload(number: int) -> bytes:
    return f"record {number}".encode() * 2


def write_on(folder: Path, acknowledged: Path, groups: list[int]) -> None:
    """Append groups of records that say their number; note each acknowledged one, commit, and put some aside."""
    with closing(Spool(folder, SMALL)) as spool, acknowledged.open("ab", buffering=0) as noted:
        spool.append([])  # from here on the end is what this writer makes it
        for count in groups:
            first = int(spool.end() or 0) + 1
            for offset in spool.append([payload(number) for number in range(first, first + count)]):
                noted.write(f"{offset}\n".encode())
            records = spool.read(str(first - 1) if first > 1 else None, 1)
            spool.dead_letter(records[0], "why not")
            spool.commit(str(first))


def check_whole(folder: Path, acknowledged: Path) -> None:
    """Every acknowledged record that retention has not dropped is there, each one once, and writing goes on."""
    noted = [int(line) for line in acknowledged.read_text().split()] if acknowledged.exists() else []
    with closing(Spool(folder, SMALL)) as spool:
        before = {record.offset: record.payload for record in spool.read(None, 10_000)}
        assert all(content == payload(int(offset)) for offset, content in before.items())
        assert int(spool.end() or 0) >= max(noted, default=0)
        letters = [letter.offset for letter in spool.dead_letters(10_000)]
        assert len(set(letters)) == len(letters)
        next_number = int(spool.append([b"next"])[0])
        after = {record.offset: record.payload for record in spool.read(None, 10_000)}
        assert [int(offset) for offset in after] == list(range(next_number - len(after) + 1, next_number + 1))
        assert list(folder.glob("*.tmp")) == []


@pytest.mark.long
@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 4), min_size=1, max_size=6), st.integers(0, 60), st.integers(0, 60))
def test_a_writer_killed_before_any_durable_step_loses_nothing(
    tmp_path_factory: pytest.TempPathFactory, groups: list[int], first: int, second: int
):
    folder = tmp_path_factory.mktemp("killed")
    for step in (first, second):
        killed_before(step, lambda: write_on(folder / "spool", folder / "acknowledged", groups))
    check_whole(folder / "spool", folder / "acknowledged")


def test_a_writer_killed_before_each_durable_step_in_turn_loses_nothing(tmp_path: Path):
    for step in range(200):
        folder = tmp_path / str(step)
        folder.mkdir()
        killed = killed_before(step, lambda folder=folder: write_on(folder / "spool", folder / "acknowledged", [3] * 5))
        check_whole(folder / "spool", folder / "acknowledged")
        if not killed:
            break
    assert step > 20


@pytest.mark.parametrize("lines", [1, 7, 40])
def test_a_writer_killed_at_any_moment_loses_nothing(tmp_path: Path, lines: int):
    code = (
        "import sys; from pathlib import Path; from tests.faults.test_streams import write_on\n"
        "print('begun', flush=True)\n"
        "write_on(Path(sys.argv[1]), Path('/dev/stdout'), [3] * 100_000)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "spool")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]) as writer:
        assert writer.stdout is not None
        noted = [writer.stdout.readline() for _ in range(lines + 1)][1:]
        writer.send_signal(signal.SIGKILL)
        noted += [line for line in writer.stdout if line.endswith(b"\n")]
    (tmp_path / "acknowledged").write_bytes(b"".join(noted))

    check_whole(tmp_path / "spool", tmp_path / "acknowledged")


def fill(folder: Path) -> None:
    with closing(Spool(folder)) as spool:
        for _ in range(1000):
            spool.append([bytes(100)] * 5)


def refused(folder: Path) -> None:
    try:
        fill(folder)
    except StreamError as error:
        assert "could not be written" in str(error)  # noqa: PT017 (in a child process)
        assert "Nothing of them was kept" in str(error)  # noqa: PT017
        return
    raise AssertionError("the disk was not full")


def test_a_full_disk_keeps_what_is_there_and_half_of_nothing(tmp_path: Path):
    assert without_disk(9000, lambda: refused(tmp_path / "spool")) == 0

    with closing(Spool(tmp_path / "spool")) as spool:
        records = spool.read(None, 10_000)
        assert len(records) % 5 == 0
        assert len(records) > 50
        assert spool.append([b"there is room again"]) == [str(len(records) + 1)]


def test_a_disk_without_room_for_a_segment_is_named(tmp_path: Path):
    def refused_at_once() -> None:
        with closing(Spool(tmp_path / "spool")) as spool, pytest.raises(StreamError, match="cannot be written: "):
            spool.append([b"x"])

    assert without_disk(10, refused_at_once) == 0


@pytest.mark.skipif(not _can_mount(), reason="needs user namespaces to mount a small disk")
def test_a_real_full_disk_recovers_when_there_is_room(tmp_path: Path):
    code = (
        "import os; from pathlib import Path; from tests.faults.test_streams import refused, fill, Spool\n"
        "disk = Path(os.environ['DISK']); (disk / 'other').write_bytes(bytes(100_000))\n"
        "refused(disk / 'spool'); refused(disk / 'spool')\n"
        "(disk / 'other').unlink(); spool = Spool(disk / 'spool')\n"
        "before = len(spool.read(None, 10_000)); spool.append([b'x'])\n"
        "print(before, len(spool.read(None, 10_000)))"
    )
    shell = f"mount -t tmpfs -o size=200k tmpfs '{tmp_path}' && exec '{sys.executable}' -c \"$CODE\""
    environment = os.environ | {"CODE": code, "DISK": str(tmp_path)}
    command = [*UNSHARE, "sh", "-c", shell]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=environment, cwd=Path(__file__).parents[2]
    )

    assert done.returncode == 0, done.stderr
    before, after = map(int, done.stdout.split())
    assert after == before + 1
    assert before % 5 == 0
    assert before > 100


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with redis_server() as found:
        yield found


def _write(address: str, payloads: list[bytes]) -> None:
    with closing(open_stream(address)) as stream:
        for start in range(0, len(payloads), 5):
            stream.append(payloads[start : start + 5])


def _read(address: str, total: int, found: list[bytes]) -> None:
    after = None
    with closing(open_stream(address)) as stream, stream.lease():
        while len(found) < total:
            for record in stream.read(after, 20, wait_s=1.0):
                found.append(record.payload)
                after = record.offset
            if after is not None:
                stream.commit(after)


def test_a_broker_killed_under_load_loses_nothing_and_doubles_nothing(server: RedisServer):
    address, wanted = f"{server.url}load", [payload(number) for number in range(1500)]
    found: list[bytes] = []
    with ThreadPoolExecutor(2) as pool:
        work = [pool.submit(_write, address, wanted), pool.submit(_read, address, len(wanted), found)]
        for restart in range(1, RESTARTS + 1):
            while len(found) < restart * len(wanted) // (RESTARTS + 1) and not any(one.done() for one in work):
                wait(work, timeout=0.002)
            server.kill()
            server.start()
        for one in work:
            one.result()

    assert found == wanted


def test_a_broker_that_stays_away_ends_in_an_error_in_bounded_time_and_can_come_back(server: RedisServer):
    with closing(open_stream(f"{server.url}away?reconnect_s=0.3")) as stream:
        offset = stream.append([b"x"])[0]
        server.kill()
        with pytest.raises(StreamError, match=r"could not be reached for 0\.3 s"):
            stream.read(None, 1)
        server.start()
        assert stream.read(None, 1)[0].offset == offset


@pytest.mark.parametrize("kind", ["spool", "redis"])
def test_a_burst_of_a_hundred_times_as_many_is_worked_off_in_order(server: RedisServer, tmp_path: Path, kind: str):
    address = f"spool:{tmp_path / 's'}" if kind == "spool" else f"{server.url}burst"
    with closing(open_stream(address)) as stream:
        assert _worked_off(stream, None, 0, 50) == 50
        assert _worked_off(stream, stream.end(), 50, 5000) == 5050


def _worked_off(stream: Stream, after: str | None, first: int, count: int) -> int:
    numbers = range(first, first + count)
    for start in range(0, count, 500):
        stream.append([payload(number) for number in numbers[start : start + 500]])
    assert stream.lag(after) == count
    for number in numbers:
        if (number - first) % 100 == 0:
            records = stream.read(after, 100)
            after = records[-1].offset
        assert records[(number - first) % 100].payload == payload(number)
    assert after is not None
    stream.commit(after)
    assert stream.lag(after) == 0
    return number + 1


def test_a_disk_that_is_full_for_the_dead_letters_is_named(tmp_path: Path):
    fill_once = Spool(tmp_path / "spool")
    fill_once.append([bytes(5000)])
    record = fill_once.read(None, 1)[0]
    fill_once.close()

    def refused_letter() -> None:
        with closing(Spool(tmp_path / "spool")) as spool, pytest.raises(StreamError, match="dead"):
            spool.dead_letter(record, "too large for this disk")

    assert without_disk(2000, refused_letter) == 0
    with suppress(FileNotFoundError):
        shutil.rmtree(tmp_path / "spool" / "dead")
