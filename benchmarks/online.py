"""Online learning on drifting digits: what it wins back, what it forgets, what it costs, how soon it is back.

`python -m benchmarks.online PROJECT [--samples N]`; PROJECT was run (`make run`). The stream holds training samples
that turn by 60 degrees over its middle half; what is measured at the end are test samples, turned and as they were.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np

from qatflow import backend, params_file
from qatflow.artifacts import Array
from qatflow.deploy.local import current
from qatflow.online.checkpoint import newest_checkpoint
from qatflow.online.course import Course
from qatflow.online.feed import DRIFTS, Feed, Pool, open_pool, records
from qatflow.online.figures import BUCKET
from qatflow.online.records import Sample, encode
from qatflow.online.run import run
from qatflow.online.source import Source, begin, open_source
from qatflow.online.streams import open_stream
from qatflow.params.root import Params
from qatflow.tflite.runtime import Runner
from qatflow.visualize.course import Curve, draw_course

ROUNDS, STEPS = 5, 60


def main() -> None:
    """Print all figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("project", type=Path)
    parser.add_argument("--samples", type=int, default=20_000)
    arguments = parser.parse_args()
    params = params_file.load(arguments.project / "params.yaml")
    source = open_source(arguments.project, params, current(arguments.project / params.deploy.path))
    backend.start(params.seed)
    with tempfile.TemporaryDirectory(prefix="qatflow-bench-") as folder:
        speed(source, params)
        drifting(source, params, Path(folder), arguments)


def drifting(source: Source, params: Params, folder: Path, arguments: argparse.Namespace) -> None:
    """Learn a stream that turns, and compare with the model that does not learn."""
    stream = open_stream(f"spool:{folder / 'spool'}")
    pool = open_pool(str(arguments.project))
    made = [encode(record) for record in records(pool, Feed(arguments.samples, 1, "rotation"))]
    for start in range(0, len(made), 1000):
        stream.append(made[start : start + 1000])
    course, started = begin(source, params), time.monotonic()
    run(course, stream, folder / "state", lambda *_: "promoted", lambda *_: None, until_end=True)
    seconds = time.monotonic() - started
    x, labels = source.data.test.raw(np.arange(source.data.test.count)), source.data.test.labels()
    turned = DRIFTS["rotation"](Pool(x, labels), x, np.ones(len(x)), np.random.default_rng(0))
    frozen, online = Runner(source.champion.model), Runner(course.model)
    ends, accuracy = course.prequential.curve()
    for name, images in (("turned by 60 degrees", turned), ("as they were (hold-out)", x)):
        inputs = source.data.preprocessing.apply(images)
        found = [100 * float((runner.predict(inputs).argmax(1) == labels).mean()) for runner in (frozen, online)]
        print(f"test samples {name}: frozen {found[0]:.2f} %, online {found[1]:.2f} %")
    still = _frozen_curve(source, pool, arguments, frozen)
    drawn = Path("docs/images/online.png")
    judged = [candidate.to_dict() for candidate in course.candidates]
    draw_course(Curve(ends, accuracy), judged, course.now.drifts, drawn, Curve(ends, still[: len(ends)]))
    last = accuracy[-20:].mean()
    print(
        f"prequential accuracy of the flatbuffer: first {accuracy[:20].mean():.3f}, least {accuracy.min():.3f}, "
        f"last 2,000 samples {last:.3f}; of the frozen one there {still[-20:].mean():.3f}"
    )
    outcomes = [judged.outcome.split(":")[0] for judged in course.candidates]
    counts = {name: outcomes.count(name) for name in sorted(set(outcomes))}
    print(f"{ends[-1]} samples in {seconds:.0f} s, candidates {counts}, drifts seen at {list(course.now.drifts)}")
    _recovery(source, params, folder / "state")


def speed(source: Source, params: Params) -> None:
    """Compare a course with bare `train_on_batch` on the same model and batches, rounds interleaved."""
    course = begin(source, params.model_copy(update={"online": _endless(params)}))
    x, labels = course.parts.replay.draw(params.online.batch_size + params.online.replay)
    y = np.eye(source.data.num_outputs, dtype=np.float32)[labels]
    plain, ours = [], []
    records_of = _payloads(source, params)
    with tempfile.TemporaryDirectory() as folder:
        stream = open_stream(f"spool:{folder}/spool")
        stream.append(records_of * ROUNDS)
        for _ in range(ROUNDS + 1):
            started = time.perf_counter()
            for _ in range(STEPS):
                course.parts.learner.network.train_on_batch(x, y)
            plain.append(time.perf_counter() - started)
            taken, started = 0, time.perf_counter()
            while taken < STEPS:
                taken += _step(course, Path(folder) / "state", records_of)
            ours.append(time.perf_counter() - started)
    ratio = median(a / b for a, b in zip(plain[1:], ours[1:], strict=True))
    rate = STEPS * params.online.batch_size / median(ours[1:])
    print(
        f"speed with a checkpoint each {params.online.checkpoint_every} samples: {ratio:.2f} of train_on_batch "
        f"({rate:.0f} samples/s of the stream, {params.online.replay} replayed with each {params.online.batch_size})"
    )


def _step(course: Course, state: Path, payloads: list[bytes]) -> int:
    """Take records until a batch was learned; write a checkpoint when one is due."""
    from qatflow.online.checkpoint import save_checkpoint
    from qatflow.online.streams.base import Record

    before = course.now.learned
    while course.now.learned == before:
        number = course.now.records
        payload = payloads[number % len(payloads)].replace(b'"id":"9-', b'"id":"%d-' % (number // len(payloads) % 10))
        course.take(Record(str(number), payload, 0))
    if course.checkpoint_due:
        state.mkdir(exist_ok=True)
        save_checkpoint(state, course.checkpoint(), course.settings.keep_checkpoints)
    return 1


def _payloads(source: Source, params: Params) -> list[bytes]:
    x = source.data.train.raw(np.arange(source.data.train.count))
    pool = Pool(x, source.data.train.labels())
    return [encode(record) for record in records(pool, Feed(STEPS * params.online.batch_size, 9))]


def _endless(params: Params) -> object:
    return params.online.model_copy(update={"candidate_every": 10**9, "drift_boost": 1.0})


def _frozen_curve(source: Source, pool: Pool, arguments: argparse.Namespace, frozen: Runner) -> Array:
    """Return the accuracy of the model that does not learn, in buckets of the same stream."""
    right = []
    for sample in records(pool, Feed(arguments.samples, 1, "rotation")):
        assert isinstance(sample, Sample)
        inputs = source.data.preprocessing.apply(sample.x[None])
        right.append(frozen.predict(inputs).argmax() == sample.label)
    whole = len(right) - len(right) % BUCKET
    return np.array(right[:whole]).reshape(-1, BUCKET).mean(axis=1)


def _recovery(source: Source, params: Params, state: Path) -> None:
    started = time.perf_counter()
    course = begin(source, params)
    found, _ = newest_checkpoint(state)
    assert found is not None
    course.restore(found)
    print(f"back after a kill: {time.perf_counter() - started:.1f} s beside TensorFlow's import")


if __name__ == "__main__":
    main()
