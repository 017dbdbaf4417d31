"""What monitoring promises: false alarms, delay and cost. `python -m benchmarks.drift [--windows N] [--streams N]`.

Prints three Markdown tables; benchmarks/results/drift.md has those of the last run. Needs no data and no GPU.
"""

import argparse
import logging
import os
import platform
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path

import numpy as np
from river.drift import ADWIN
from scipy.stats import ks_2samp

from qatflow.artifacts import Array
from qatflow.monitoring import recorder as recorder_module
from qatflow.monitoring.adwin import Adwin
from qatflow.monitoring.features import describe, embed
from qatflow.monitoring.multiple import holm
from qatflow.monitoring.recorder import GROUP_S, Recorder
from qatflow.monitoring.reference import Reference, build_reference, signals
from qatflow.monitoring.statistics import STATISTICS, Window
from qatflow.params.monitoring import MonitoringParams

Sample = tuple[Array, Array]
WINDOW, ALPHAS = 200, (0.05, 0.01)
HELD = np.array([[-np.inf], [np.inf]], np.float32)
SHA = "a" * 64


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.drift", description=__doc__)
    parser.add_argument("--windows", type=int, default=4000, help="without drift, of each source")
    parser.add_argument("--streams", type=int, default=200, help="with a shift of half a sigma")
    arguments = parser.parse_args()
    logging.getLogger("qatflow.monitoring").setLevel(logging.CRITICAL)
    print(f"# Drift\n\n`python -m benchmarks.drift`; {_machine()}\n")
    false_alarms(arguments.windows)
    delays(arguments.streams)
    costs()


def false_alarms(windows: int) -> None:
    """Print how many windows without drift are called drifted, in units of alpha."""
    print(f"## False alarms\n\n{windows} windows of {WINDOW} samples without drift; alarms / (windows x alpha).\n")
    print(f"| data | alpha | {' | '.join(STATISTICS)} | combined |\n| --- | ---: |{' ---: |' * (len(STATISTICS) + 1)}")
    for name, draw in (
        ("digits, split anew", digits()),
        ("images, drawn anew", images()),
        ("table, drawn anew", table()),
    ):
        _false_alarms(name, draw, windows)
    _false_alarms("table, one reference of 10000", table(frozen=10_000), windows)
    spread = [2 * np.sqrt((1 - alpha) / alpha / windows) for alpha in ALPHAS]
    print(f"\nTwo standard deviations of so many windows: {spread[0]:.2f} at 0.05, {spread[1]:.2f} at 0.01.\n")


def _false_alarms(name: str, draws: Iterator[tuple[Reference, Window]], windows: int) -> None:
    found = np.array([_p_values(*next(draws)) for _ in range(windows)])
    for alpha in ALPHAS:
        rates = " | ".join(f"{(column <= alpha).mean() / alpha:.2f}" for column in found.T)
        print(f"| {name} | {alpha} | {rates} |")


def _p_values(reference: Reference, window: Window) -> list[float]:
    p = [outcome.p for statistic in STATISTICS.values() if (outcome := statistic(reference, window)) is not None]
    return [*p, float(holm(np.array(p)).min())]


def reference_of(x: Array, scores: Array, y: Array) -> Reference:
    """Return the reference of a classifier."""
    about = {"model_sha256": SHA, "task": "classification", "classes": tuple(map(str, range(scores.shape[1])))}
    return build_reference(about, [x], scores, y, HELD)


def window_of(reference: Reference, x: Array, scores: Array, seed: int) -> Window:
    """Return a window of samples and scores."""
    return Window(
        describe(x), signals("classification", scores), scores.argmax(axis=1), embed(x) / reference.scale, seed
    )


def _pair(old: Sample, new: Sample, seed: int) -> tuple[Reference, Window]:
    reference = reference_of(*old, old[1].argmax(axis=1))
    return reference, window_of(reference, *new, seed)


def digits() -> Iterator[tuple[Reference, Window]]:
    """Split the digits that a logistic regression has not seen into reference and window, over and over."""
    from sklearn.datasets import load_digits
    from sklearn.linear_model import LogisticRegression

    x, y = load_digits(return_X_y=True)
    rng = np.random.default_rng(0)
    order = rng.permutation(len(x))
    model = LogisticRegression(max_iter=300).fit(x[order[:800]] / 16, y[order[:800]])
    x, scores = x[order[800:]], _as_int8(model.predict_proba(x[order[800:]] / 16))
    x = x.reshape(-1, 8, 8, 1).astype(np.float32)
    for seed in range(1 << 30):
        order = rng.permutation(len(x))
        new, old = order[:WINDOW], order[WINDOW:]
        yield _pair((x[old], scores[old]), (x[new], scores[new]), seed)


def images() -> Iterator[tuple[Reference, Window]]:
    """Draw 16x16 images whose pixels rise and fall together, and scores of which most are the highest there is."""
    rng = np.random.default_rng(1)
    for seed in range(1 << 30):
        parts = []
        for count in (1000, WINDOW):
            x = rng.normal(size=(count, 1, 1, 1)) + rng.normal(size=(count, 16, 16, 1))
            parts.append((x.astype(np.float32), _as_int8(rng.dirichlet(np.full(10, 0.1), size=count))))
        yield _pair(*parts, seed)


def table(frozen: int = 0) -> Iterator[tuple[Reference, Window]]:
    """Draw ten columns, some of few values; with one reference of `frozen` samples for all windows, if so wished."""
    rng = np.random.default_rng(2)

    def part(count: int) -> Sample:
        x = rng.normal(size=(count, 10))
        x[:, 5:8] = np.round(x[:, 5:8])
        x[:, 8:] = x[:, 8:] > 1
        return x.astype(np.float32), _as_int8(rng.dirichlet(np.full(3, 0.5), size=count))

    kept = part(frozen) if frozen else None
    fixed = reference_of(*kept, kept[1].argmax(axis=1)) if kept else None
    for seed in range(1 << 30):
        if fixed is not None:
            yield fixed, window_of(fixed, *part(WINDOW), seed)
        else:
            yield _pair(part(1000), part(WINDOW), seed)


def _as_int8(likely: Array) -> Array:
    return np.minimum(255, np.round(likely * 256)).astype(np.float32) / 256


def delays(streams: int) -> None:
    """Print after how many samples a shift of half a standard deviation is seen."""
    seen: dict[str, list[float]] = {}
    for seed in range(streams):
        rng = np.random.default_rng(seed)
        for name, delay in _delays(rng).items():
            seen.setdefault(name, []).append(delay)
    print(f"## Delay\n\nOne column of five (for ks: the score) moves by half a sigma somewhere; {streams} streams.")
    print(
        f"Windows of {WINDOW} are judged every {WINDOW // 2} samples, at alpha 0.01; false: alarms before the shift.\n"
    )
    print("| detector | median | 90 % within | seen | false, of 10000 samples |\n| --- | ---: | ---: | ---: | ---: |")
    for name, found in seen.items():
        if name.endswith("false"):
            continue
        known = np.array(found)
        false = np.mean(seen[f"{name} false"]) / 2000 * 10_000
        shown = f"{np.nanmedian(known):.0f} | {np.nanquantile(known, 0.9):.0f} | {np.isfinite(known).mean():.1%}"
        print(f"| {name} | {shown} | {false:.2f} |")
    print()


def _delays(rng: np.random.Generator) -> dict[str, float]:
    shift = int(2000 + rng.integers(WINDOW))
    old, stream = rng.normal(size=(5000, 5)), rng.normal(size=(shift + 1000, 5))
    stream[shift:, 0] += 0.5
    about = {"model_sha256": SHA, "task": "regression", "classes": ()}
    reference = build_reference(about, [old.astype(np.float32)], old[:, :1].astype(np.float32), old[:, 0], HELD)
    last = old[:, 0]
    detectors: dict[str, Callable[[int], bool]] = {
        "ours: psi": lambda end: _rejects(reference, stream, end, ("psi",)),
        "ours: ks": lambda end: _rejects(reference, stream, end, ("ks",)),
        "SciPy: ks_2samp": lambda end: bool(ks_2samp(last, stream[end - WINDOW : end, 0]).pvalue <= 0.01),
        "ours: mmd": lambda end: _rejects(reference, stream, end, ("mmd",)),
        "ours: all, Holm": lambda end: _rejects(reference, stream, end, ("psi", "ks", "mmd")),
    }
    ends = range(WINDOW, len(stream) + 1, WINDOW // 2)
    found = {name: [end for end in ends if rejects(end)] for name, rejects in detectors.items()}
    values = stream[:, 0].tolist()
    ours, river = Adwin(), ADWIN()
    found["ours: adwin"] = [i + 1 for i, value in enumerate(values) if ours.update(value)]
    found["river: ADWIN"] = [i + 1 for i, value in enumerate(values) if _river(river, value)]
    delays = {name: next((end - shift for end in alarms if end > shift), np.nan) for name, alarms in found.items()}
    return delays | {f"{name} false": sum(end <= shift for end in alarms) for name, alarms in found.items()}


def _river(detector: ADWIN, value: float) -> bool:
    detector.update(value)
    return bool(detector.drift_detected)


def _rejects(reference: Reference, stream: Array, end: int, names: tuple[str, ...]) -> bool:
    x = stream[end - WINDOW : end].astype(np.float32)
    window = Window(describe(x), x[:, :1], np.zeros(0, np.int64), embed(x) / reference.scale, end)
    outcomes = [STATISTICS[name](reference, window) for name in names]
    return bool(holm(np.array([outcome.p for outcome in outcomes if outcome])).min() <= 0.01)


def costs() -> None:
    """Print the processor time of one request: appending, and the thread's part of recording and of drift."""
    print(
        "## Cost\n\nProcessor time of one request of one sample in microseconds, median of groups of half a second.\n"
    )
    print(
        "| input | requests a second | append | record | drift | together |\n| --- | ---: | ---: | ---: | ---: | ---: |"
    )
    for name, shape in (
        ("8x8x1, whole numbers", (8, 8, 1)),
        ("32x32x3, whole numbers", (32, 32, 3)),
        ("10 columns", (10,)),
    ):
        for rate in (500, 1000, 2000, 5000):
            append, record, both = _cost(shape, rate)
            print(f"| {name} | {rate} | {append:.1f} | {record:.1f} | {both - record:.1f} | {append + both:.1f} |")


def _cost(shape: tuple[int, ...], rate: int) -> tuple[float, float, float]:
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (2000, *shape)).astype(np.float32)
    scores = rng.dirichlet(np.ones(10), 2000).astype(np.float32)
    reference = reference_of(x, scores, scores.argmax(axis=1))
    spent = [_spent(x, scores, watched, round(rate * GROUP_S)) for watched in (None, reference)]
    return spent[1][0], spent[0][1], spent[1][1]


def _spent(x: Array, scores: Array, reference: Reference | None, group: int) -> tuple[float, float]:
    """Return microseconds of appending and of the thread's work, where it takes `group` requests at once."""
    recorder_module.GROUP_S = 1e9  # the groups are taken here, where they can be timed
    rows = [(x[i : i + 1], scores[i : i + 1]) for i in range(len(x))]
    spent = []
    with tempfile.TemporaryDirectory() as folder:
        recorder = Recorder(Path(folder), reference, MonitoringParams())
        for _ in range(max(30, 20_000 // group)):
            started = time.process_time()
            for i in range(group):
                recorder.record(*rows[i % len(rows)], model_sha256=SHA, request_id=f"request-{i}", latency_s=1e-4)
            middle = time.process_time()
            recorder.flush()
            spent.append((middle - started, time.process_time() - middle))
        recorder.close()
    # The first ones import SciPy, make the tables and draw permutations; a median, as other work disturbs single ones.
    append, work = np.median(np.array(spent[4:]), axis=0) / group * 1e6
    return float(append), float(work)


def _machine() -> str:
    names = [
        line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line
    ]
    packages = ", ".join(f"{name} {version(name)}" for name in ("numpy", "scipy", "river"))
    load = os.getloadavg()[0]
    return (
        f"{os.cpu_count()} cores of {names[0] if names else platform.machine()} (virtual), other load {load:.1f}, "
        f"Python {platform.python_version()}; {packages}"
    )


if __name__ == "__main__":
    main()
