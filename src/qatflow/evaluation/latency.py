"""How fast flatbuffers answer: one sample at a time, and in the best batch."""

from collections.abc import Sequence
from time import perf_counter, perf_counter_ns

import numpy as np
import numpy.typing as npt

from qatflow.artifacts import Array
from qatflow.evaluation.result import Latency
from qatflow.progress import Progress, silent
from qatflow.tflite.runtime import Runner
from qatflow.tflite.session import Session

WARM_UP_RUNS = 10
PROGRESS_EVERY = 50
BATCHES = (1, 8, 32, 64)
SECONDS_PER_BATCH = 0.08


def interleaved_latency(
    models: Sequence[bytes], sample: Array, *, threads: int, runs: int, progress: Progress = silent
) -> list[Latency]:
    """Return percentiles of one invoke on one sample for each model.

    The models take turns, so that noise on the machine hits all of them. Copying in and out is not timed.

    Args:
        models: Flatbuffers that take the same input.
        sample: (1, *shape) float32.
        threads: Threads that LiteRT uses inside one invoke.
        runs: Timed invokes of each model.
        progress: Told now and then.
    """
    sessions = [Session(model, threads=threads) for model in models]
    for session in sessions:
        session.run(session.input.quantize(sample))
    _interleaved_ns(sessions, WARM_UP_RUNS, silent)
    return [_percentiles(column) for column in _interleaved_ns(sessions, runs, progress).T]


def best_throughput(model: bytes, sample: Array, threads: int) -> tuple[float, int]:
    """Return the highest rate in samples per second, quantization of inputs and outputs included, and its batch size.

    Args:
        model: The flatbuffer.
        sample: (1, *shape) float32.
        threads: Worker threads, each with batches of its own.
    """
    rates = {batch: _throughput(model, sample, threads, batch) for batch in BATCHES}
    best = max(rates, key=lambda batch: rates[batch])
    return rates[best], best


def _throughput(model: bytes, sample: Array, threads: int, batch: int) -> float:
    runner = Runner(model, threads=threads, batch_size=batch)
    x = np.repeat(sample, batch * threads, axis=0)
    runner.predict(x)
    start, samples = perf_counter(), 0
    while (elapsed := perf_counter() - start) < SECONDS_PER_BATCH or not samples:
        runner.predict(x)
        samples += len(x)
    return samples / elapsed


def _interleaved_ns(sessions: Sequence[Session], runs: int, progress: Progress) -> npt.NDArray[np.int64]:
    times = np.empty((runs, len(sessions)), np.int64)
    for run in range(runs):
        for column, session in enumerate(sessions):
            start = perf_counter_ns()
            session.repeat()
            times[run, column] = perf_counter_ns() - start
        if (run + 1) % PROGRESS_EVERY == 0:
            progress("timing", run + 1, runs)
    return times


def _percentiles(times_ns: Array) -> Latency:
    p50, p95, p99 = np.percentile(times_ns / 1000, (50, 95, 99)).tolist()
    return Latency(p50=p50, p95=p95, p99=p99)
