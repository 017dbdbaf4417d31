"""SIGKILL at named steps and at random moments of `qatflow online`: is what comes after it what would have come?

`python -m benchmarks.online_kills PROJECT [--kills N] [--stream spool|redis] [--moments]`; PROJECT was run. A trial is
a process that learns a short drifting stream with a real registry, is killed, and is started again until it ends. Then
everything is compared, bit for bit, with an undisturbed course: weights, optimizer, quantizers, counts, detectors,
reservoir, candidates, the promoted models, the deployed pointer, the dead letters.

Children are forked from a process that has imported TensorFlow and used none of it.
"""

from __future__ import annotations

import argparse
import mmap
import os
import random
import shutil
import signal
import struct
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from qatflow import artifacts, params_file
from qatflow.adapters import mlflow_registry, online_release, promotions
from qatflow.deploy import local
from qatflow.deploy.local import current
from qatflow.errors import StreamError
from qatflow.online import checkpoint, course, learner, run, snapshot, source
from qatflow.online.feed import Feed, open_pool, records
from qatflow.online.records import LateLabel, Sample, encode
from qatflow.online.streams import open_stream, redis_stream, spool
from qatflow.online.streams.base import Stream
from qatflow.params.root import Params
from qatflow.release import log as promotion_log
from qatflow.release.bundle import load_bundle

SAMPLES, POISON_EVERY = 720, 97
SETTINGS = {
    "checkpoint_every": 96,
    "candidate_every": 192,
    "window": 96,
    "replay": 16,
    "reservoir": 100,
    "max_classes": 11,
    "new_class_samples": 20,
    "max_holdout_drop": 1.0,
}
NEW_FROM, NEW_EVERY = 200, 3
STEPS: dict[str, tuple[Any, str]] = {
    "read": (run, "_records"),
    "step": (course.Course, "_learn"),
    "checkpoint write": (artifacts, "save_arrays"),
    "fsync": (os, "fsync"),
    "rename": (Path, "replace"),
    "manifest": (artifacts, "seal"),
    "prune": (shutil, "rmtree"),
    "candidate": (course.Course, "candidate"),
    "convert": (learner.Learner, "flatbuffer"),
    "register": (mlflow_registry.MlflowRegistry, "register"),
    "store model": (mlflow_registry.MlflowRegistry, "log_model"),
    "log": (promotion_log.PromotionLog, "append"),
    "alias": (mlflow_registry.MlflowRegistry, "set_alias"),
    "pointer": (local, "swap"),
    "settle": (course.Course, "settle"),
    "snapshot": (snapshot, "take_snapshot"),
    "grow": (learner.Learner, "grow"),
    "save": (run, "_save"),
    "acknowledge, spool": (spool.Spool, "commit"),
    "acknowledge, redis": (redis_stream.RedisStream, "commit"),
}
"""Step -> the function that does it; it dies before or after one of its calls."""


def main() -> None:
    """Run the trials, and print how many ended otherwise than the undisturbed course."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("project", type=Path)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--stream", choices=["spool", "redis"], default="spool")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--samples", type=int, default=SAMPLES)
    parser.add_argument("--moments", action="store_true", help="random moments only, no named steps")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="qatflow-kills-") as folder:
        trials = Trials(arguments.project.resolve(), Path(folder), arguments.stream, arguments.samples)
        trials.run(arguments.kills, arguments.seed, named=not arguments.moments)


class Trials:
    """All trials of one benchmark."""

    def __init__(self, project: Path, folder: Path, kind: str, samples: int) -> None:
        self._project, self._folder, self._kind = project, folder, kind
        self._params = _params(project)
        self._taken = mmap.mmap(-1, 16)  # records taken, and records in the checkpoint that was taken up
        self._payloads = _payloads(project, samples)

    def run(self, kills: int, seed: int, *, named: bool) -> None:
        """Compare `kills` disturbed courses with an undisturbed one: named steps in turn, then random moments."""
        with self._broker() as address_of:
            reference, calls, seconds = self._undisturbed(address_of)
            print(f"undisturbed: {seconds:.1f} s, {reference['learned']} learned, {reference['promoted']}", flush=True)
            draw, wrong, rework, restarts = random.Random(seed), [], [], 0  # noqa: S311 (no secret)
            plans = [*_named_plans(calls, draw)][:kills] if named else []
            plans += [("moment", draw.uniform(0.0, seconds)) for _ in range(kills - len(plans))]
            for number, plan in enumerate(plans):
                found, again, starts = self._disturbed(number, address_of, plan)
                restarts += starts - 1
                rework.append(again)
                differing = [key for key in reference if found[key] != reference[key]]
                if differing:
                    wrong.append((plan, differing))
                print(f"{number + 1:4} {plan}: {differing or 'equal'}, rework {again}", flush=True)
        print(f"{self._kind}: {len(plans)} kills, {restarts} restarts, {len(wrong)} differ; most rework {max(rework)}")
        print(f"records (interval {SETTINGS['checkpoint_every']} samples, batch {self._params.online.batch_size})")
        sys.exit(1 if wrong else 0)

    @contextmanager
    def _broker(self) -> Iterator[Callable[[str], str]]:
        if self._kind == "spool":
            yield lambda name: f"spool:{self._folder / name / 'spool'}"
            return
        from tests.online.redis_server import redis_server

        with redis_server() as server:
            yield lambda name: f"redis://127.0.0.1:{server.port}/{name}?lease_s=2"

    def _undisturbed(self, address_of: Callable[[str], str]) -> tuple[dict[str, Any], dict[str, int], float]:
        root, address = self._home("reference"), address_of("reference")
        self._fill(address)
        counts = mmap.mmap(-1, 8 * (len(STEPS) + 1))
        status = _forked(lambda: self._learn(root, address, counting=counts))
        assert status == 0, "the undisturbed course failed"
        numbers = struct.unpack(f"{len(STEPS)}qd", counts[:])
        return self._result(root, address), dict(zip(STEPS, numbers, strict=False)), float(numbers[-1])

    def _disturbed(
        self, number: int, address_of: Callable[[str], str], plan: tuple[Any, ...]
    ) -> tuple[dict[str, Any], int, int]:
        name = f"trial{number}"
        root, address = self._home(name), address_of(name)
        self._fill(address)
        rework, starts, kill = 0, 0, plan
        while True:
            before = struct.unpack("qq", self._taken[:])[0] if starts else 0
            self._taken[:] = struct.pack("qq", 0, 0)
            status = _forked(lambda kill=kill: self._learn(root, address, kill=kill))
            starts += 1
            _, resumed = struct.unpack("qq", self._taken[:])
            if starts > 1:
                rework = max(rework, before - resumed)
            if status == 0:
                break
            assert status == -signal.SIGKILL, f"{plan}: ended with {status}"
            kill = ()
        found = self._result(root, address)
        shutil.rmtree(root)
        return found, rework, starts

    def _learn(self, root: Path, address: str, kill: tuple[Any, ...] = (), counting: mmap.mmap | None = None) -> None:
        """Be one process of `qatflow online --until-end`."""
        from qatflow import backend

        log = os.open(self._folder / "children.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
        _arm(kill, counting)
        started = time.monotonic()
        begun = source.open_source(root, self._params, current(root / "deployed"))
        backend.start(self._params.seed)
        made = source.begin(begun, self._params)
        release = online_release.ProjectRelease(root, self._params, begun.data, begun.strategy, {}, "stream")

        def watch(present: course.Course, event: str, lag: int | None) -> None:  # noqa: ARG001
            if event == "resumed":
                self._taken[:] = struct.pack("qq", present.now.records, present.now.records)

        take = course.Course.take

        def taking(present: course.Course, record: Any) -> Any:
            self._taken[:8] = struct.pack("q", present.now.records + 1)
            return take(present, record)

        course.Course.take = taking  # type: ignore[method-assign]
        stream = open_stream(address)
        _wait_for_lease(stream)

        def keep(present: course.Course, judged: Any) -> None:
            snapshot.take_snapshot(present, stream, root / "state", judged, begun.quantized)

        run.run(made, stream, root / "state", release, watch, until_end=True, keep=keep)
        stream.close()
        if counting is not None:
            counting[-8:] = struct.pack("d", time.monotonic() - started)

    def _home(self, name: str) -> Path:
        """Return a copy of the project with a registry and a deploy root of its own."""
        root = self._folder / name
        root.mkdir(parents=True)
        (root / "artifacts").symlink_to(self._project / "artifacts")
        for part in ("params.yaml", "dvc.yaml", "mlflow.db"):
            shutil.copy(self._project / part, root / part)
        for part in ("mlartifacts", "deployed", ".qatflow"):
            if (self._project / part).exists():
                shutil.copytree(self._project / part, root / part, symlinks=True)
        return root

    def _fill(self, address: str) -> None:
        stream = open_stream(address)
        stream.append(self._payloads)
        stream.close()

    def _result(self, root: Path, address: str) -> dict[str, Any]:
        """Return all that must be equal, as digests and plain values."""
        found, refused = checkpoint.newest_checkpoint(root / "state")
        assert found is not None
        assert not refused
        facts = {key: value for key, value in found.facts.items() if key not in {"offset", "kept", "candidates"}}
        candidates = [{**one, "offset": None} for one in found.facts["candidates"]]
        stream = open_stream(address)
        letters = [(letter.reason, artifacts.sha256_bytes(letter.payload)) for letter in stream.dead_letters(1000)]
        lag = stream.lag(found.facts["offset"])
        stream.close()
        entries = promotions.open_log(self._params, root).read()
        return {
            "learned": found.facts["learned"],
            "arrays": {name: artifacts.sha256_bytes(array.tobytes()) for name, array in found.arrays.items()},
            "facts": artifacts.digest(facts),
            "candidates": artifacts.digest(candidates),
            "model": artifacts.sha256_bytes(found.model),
            "promoted": [(entry.action, entry.model_sha256) for entry in entries],
            "deployed": load_bundle(current(root / "deployed")).sha256,
            "dead letters": letters,
            "snapshots": sorted(path.name for path in (root / "state" / "snapshots").iterdir()),
            "lag": lag,
        }


def _wait_for_lease(stream: Stream) -> None:
    """Wait until the lease of the one that was killed has lapsed; on Redis that takes some seconds."""
    for _ in range(120):
        try:
            with stream.lease():
                return
        except StreamError:
            time.sleep(0.5)


def _arm(kill: tuple[Any, ...], counting: mmap.mmap | None) -> None:
    """Die at the planned call or moment; or count the calls of all steps."""
    if kill and kill[0] == "moment":
        timer = threading.Timer(kill[1], lambda: os.kill(os.getpid(), signal.SIGKILL))
        timer.daemon = True
        timer.start()
    for index, (step, (owner, name)) in enumerate(STEPS.items()):
        wanted = kill[1:] if kill and kill[0] == step else None
        if wanted is None and counting is None:
            continue
        setattr(owner, name, _wrapped(getattr(owner, name), index, wanted, counting))


def _wrapped(
    call: Callable[..., Any], index: int, wanted: tuple[int, bool] | None, counting: mmap.mmap | None
) -> Callable[..., Any]:
    calls = 0

    def wrapper(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if counting is not None:
            counting[8 * index : 8 * index + 8] = struct.pack("q", calls)
        dies = wanted is not None and calls == wanted[0]
        if dies and wanted is not None and not wanted[1]:
            os.kill(os.getpid(), signal.SIGKILL)
        found = call(*args, **kwargs)
        if dies:
            os.kill(os.getpid(), signal.SIGKILL)
        return found

    return wrapper


def _named_plans(calls: dict[str, int], draw: random.Random) -> Iterator[tuple[str, int, bool]]:
    """Yield each step that happens, before and after one of its calls, the calls drawn."""
    for step, count in calls.items():
        if count:
            for after in (False, True):
                yield step, draw.randint(1, count), after


def _forked(work: Callable[[], None]) -> int:
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        except Exception:  # noqa: BLE001 (the parent sees the exit code)
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _params(project: Path) -> Params:
    params = params_file.load(project / "params.yaml")
    online = params.online.model_copy(update=SETTINGS)
    evaluate = params.evaluate.model_copy(update={"latency_runs": 1})
    return params.model_copy(update={"online": online, "evaluate": evaluate})


def _payloads(project: Path, samples: int) -> list[bytes]:
    """Return a stream that turns, whose labels come later, with poison, and with a class that comes to be."""
    pool = open_pool(str(project))
    top = pool.x.max()
    made = [encode(_as_new(record, top)) for record in records(pool, Feed(samples, 7, "rotation", 5))]
    for at in range(POISON_EVERY, len(made), POISON_EVERY):
        made[at] = b"poison %d" % at
    return made


def _as_new(record: Sample | LateLabel, top: Any) -> Sample | LateLabel:
    """Return a record, some in negative and labelled so."""
    number = int(record.id.rpartition("-")[2])
    if number < NEW_FROM or number % NEW_EVERY:
        return record
    return replace(record, x=top - record.x) if isinstance(record, Sample) else replace(record, label="negative")


if __name__ == "__main__":
    np.seterr(all="ignore")
    main()
