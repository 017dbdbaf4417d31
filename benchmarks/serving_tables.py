"""Writes what the serving benchmark found, as Markdown."""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.load import Tally
from benchmarks.serving_runs import CONNECTIONS, Capacity

if TYPE_CHECKING:
    from benchmarks.serving_truth import Tails

AIMS = (
    ("single sample, JSON", "qatflow, v2 JSON", 1, "mlflow, JSON", 1, 10.0),
    ("single sample, JSON", "qatflow, v2 JSON", 1, "bentoml, JSON", 1, 10.0),
    ("single sample, JSON", "qatflow, v2 JSON", 1, "litserve, JSON", 1, 5.0),
    ("single sample, JSON", "qatflow, v2 JSON", 1, "fastapi, JSON", 1, 2.5),
    ("batches of 32, binary against JSON", "qatflow, v2 binary", 32, "mlflow, JSON", 32, 40.0),
    ("batches of 32, JSON against JSON", "qatflow, v2 JSON", 32, "mlflow, JSON", 32, 8.0),
    ("single sample, JSON, with records", "qatflow with records, v2 JSON", 1, "mlflow, JSON", 1, 10.0),
    ("batches of 32, binary, with records", "qatflow with records, v2 binary", 32, "mlflow, JSON", 32, 40.0),
)
Found = Mapping[str, Mapping[int, Sequence[Capacity]]]


def median_rate(runs: Sequence[Capacity]) -> float:
    """Return the median of right replies a second."""
    return statistics.median(run.rate for run in runs)


def write(  # noqa: PLR0913, PLR0917 (a row of tables)
    found: Found,
    trivial: Mapping[str, Capacity],
    tails: Mapping[str, tuple[float, float]],
    swaps: Sequence[tuple[str, Tails]],
    overload: tuple[Tally, float],
    naive: Tally,
    inside: tuple[float, float],
) -> str:
    """Return the whole report."""
    parts = [
        f"# Serving, side by side\n\n`python -m benchmarks.serving`; {_machine()}\n",
        _capacities(found, tails),
        _ratios(found),
        _costs(found, trivial, inside),
        *(_swaps(who, tails) for who, tails in swaps),
        _overload(*overload),
        _naive(naive),
    ]
    return "\n".join(parts)


def _machine() -> str:
    packages = json.loads((Path(__file__).parent / "peers" / "packages.json").read_text())
    pins = sorted({pin for pins in packages.values() for pin in pins})
    model = next(
        line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line
    )
    return (
        f"{os.cpu_count()} cores of {model} (virtual), Linux {platform.release().split('-')[0]}, Python "
        f"{platform.python_version()}; uvicorn {version('uvicorn')}, uvloop {version('uvloop')}, orjson "
        f"{version('orjson')}; peers: {', '.join(pins)}. Load average {os.getloadavg()[1]:.1f}."
    )


def _capacities(found: Found, tails: Mapping[str, tuple[float, float]]) -> str:
    sizes = sorted(next(iter(found.values())))
    head = "| server | " + " | ".join(
        f"{size} a request, {CONNECTIONS[size]} connections: requests/s (spread) | server CPU µs | p50, p99 ms"
        for size in sizes
    )
    lines = [f"{head} | p99 ms at half load | wrong, failed |", "| --- |" + " ---: |" * (3 * len(sizes) + 2)]
    for name, by_size in found.items():
        cells = []
        for size in sizes:
            runs = by_size[size]
            rates = [run.rate for run in runs]
            p50, p99 = (statistics.median(getattr(run, key) for run in runs) for key in ("p50_ms", "p99_ms"))
            cells += [
                f"**{statistics.median(rates):,.0f}** ({min(rates):,.0f} to {max(rates):,.0f})",
                f"{statistics.median(run.cpu_us for run in runs):,.0f}",
                f"{p50:.1f}, {p99:.1f}",
            ]
        bad = [sum(getattr(run, key) for runs in by_size.values() for run in runs) for key in ("wrong", "failed")]
        cells += [f"{tails[name][1]:.1f}", f"{bad[0]}, {bad[1]}"]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _ratios(found: Found) -> str:
    """Return ratios of the same round, of requests a second and of processor time."""
    lines = [
        "| | against | aim | ratio (spread over rounds) | by processor time |",
        "| --- | --- | ---: | ---: | ---: |",
    ]
    for what, ours, our_size, peer, size, aim in AIMS:
        pairs = list(zip(found[ours][our_size], found[peer][size], strict=True))
        ratios = [a.rate / b.rate for a, b in pairs]
        by_cpu = statistics.median(b.cpu_us / a.cpu_us for a, b in pairs)
        mark = "" if statistics.median(ratios) >= aim else " (not reached)"
        lines.append(
            f"| {what} | {peer.split(',')[0]} | {aim:g} | **{statistics.median(ratios):.1f}** "
            f"({min(ratios):.1f} to {max(ratios):.1f}){mark} | {by_cpu:.1f} |"
        )
    return "\n".join(lines) + "\n"


def _swaps(who: str, swaps: Tails) -> str:
    steady, swapping = statistics.median(swaps.steady_ms), statistics.median(swaps.swapping_ms)
    return (
        f"Tail of {who} at half load ({swaps.rate:,.0f} requests a second, Poisson, single samples): "
        f"p99 {steady:.2f} ms ({min(swaps.steady_ms):.2f} to {max(swaps.steady_ms):.2f}); "
        f"with a swap each second {swapping:.2f} ms "
        f"({min(swaps.swapping_ms):.2f} to {max(swaps.swapping_ms):.2f}), {swapping / steady:.1f} times; "
        f"{swaps.models_seen} models answered, {swaps.wrong} wrong, {swaps.failed} failed or shed.\n"
    )


def _costs(found: Found, trivial: Mapping[str, Capacity], inside: tuple[float, float]) -> str:
    json_us, binary_us = (
        statistics.median(run.cpu_us for run in found[name][1]) for name in ("qatflow, v2 JSON", "qatflow, v2 binary")
    )
    return (
        f"Processor time of the server for one sample, system calls and all: {json_us:.0f} µs as JSON, "
        f"{binary_us:.0f} µs as bytes. Its own metrics say, as means over all requests to `infer` above, batches too: "
        f"{inside[0]:.0f} µs in the application, of which the model and its quantizing {inside[1]:.0f} µs. "
        f"uvicorn with a constant takes {trivial['asgi'].cpu_us:.0f} µs ({trivial['asgi'].rate:,.0f} replies a second)."
        f" The load generator's own ceiling, against a constant without HTTP: {trivial['protocol'].rate:,.0f} replies "
        "a second.\n"
    )


def _overload(tally: Tally, rate: float) -> str:
    return (
        f"Overload, Poisson arrivals at twice the capacity of {rate:,.0f}/s: {tally.right:,} right in "
        f"{tally.wall_s:.1f} s ({tally.rate / rate:.0%} of the capacity), {tally.shed:,} shed with 429, {tally.failed} "
        f"failed, {tally.wrong} wrong; p99 of the answered {tally.percentile_ms(99):.0f} ms.\n"
    )


def _naive(tally: Tally) -> str:
    return (
        f"A pyfunc with one interpreter and no lock under `mlflow models serve`, 8 clients: of {tally.replies:,} "
        f"replies {tally.right:,} right, **{tally.wrong:,} HTTP 200 with another request's answer**, {tally.failed:,} "
        "errors.\n"
    )
