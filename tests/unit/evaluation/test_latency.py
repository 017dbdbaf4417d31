import numpy as np

from qatflow.evaluation.latency import BATCHES, best_throughput, interleaved_latency

SAMPLE = np.full((1, 8, 8, 1), 0.5, np.float32)


def test_percentiles_of_each_model_in_microseconds(golden):
    told = []

    timings = interleaved_latency(
        [golden["int8"], golden["float32"]],
        SAMPLE,
        threads=1,
        runs=100,
        progress=lambda label, done, total: told.append((label, done, total)),
    )

    assert told == [("timing", 50, 100), ("timing", 100, 100)]
    for timing in timings:
        assert 0.1 < timing.p50 <= timing.p95 <= timing.p99


def test_each_model_has_figures_of_its_own(golden):
    small, large = interleaved_latency(
        [golden["regressor"], golden["autoencoder"]], np.zeros((1, 64), np.float32), threads=1, runs=200
    )

    assert small.p50 > 0 < large.p50
    assert small != large


def test_the_best_batch_is_one_that_was_tried(golden):
    rate, batch = best_throughput(golden["int8"], SAMPLE, threads=1)

    assert batch in BATCHES
    assert rate > 0
