"""Whether replies stay true while models are swapped, a million of them; and what a swap costs the tail."""

from __future__ import annotations

import asyncio
import json
import re
import statistics
import time
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.load import ClosedLoop, Request, Tally
from benchmarks.serving_cases import Dialect, Floats, true_requests
from benchmarks.serving_runs import Swapping, on_loop, poisson_load, wait_for
from benchmarks.serving_servers import Server
from qatflow.deploy.local import point_to
from qatflow.release.bundle import load_bundle

CONNECTIONS = 32
CLIENT_CORE = 1


@dataclass(frozen=True)
class Tails:
    """p99 in ms of each round at one rate, without and with a swap each second; and what else came back."""

    rate: float
    steady_ms: list[float]
    swapping_ms: list[float]
    wrong: int
    failed: int
    models_seen: int


def replies_of_each(
    server: Server, root: Path, dialect: Dialect, batches: Sequence[Floats], bundles: Sequence[Path], token: str
) -> list[Request]:
    """Return requests that know the true reply of each bundle of a deploy root, asked one after the other."""
    asked = []
    for bundle in [*bundles[1:], bundles[0]]:
        digest = load_bundle(bundle).sha256
        point_to(root, digest)
        wait_for(lambda digest=digest: _served(server, token) == digest, f"a swap to {digest[:12]}")
        asked.append(true_requests(dialect, server.port, batches, bundles, token))
    return [
        Request(same[0].wire, {digest: body for one in same for digest, body in one.replies.items()})
        for same in zip(*asked, strict=True)
    ]


def tails(server: Server, root: Path, requests: list[Request], rate: float, rounds: int, seconds: float) -> Tails:
    """Measure p99 at a rate, alternately without and with swaps."""
    steady, swapping = [], []
    for turn in range(rounds):
        steady.append(poisson_load(server, requests, rate, 2 * seconds, seed=turn))
        with Swapping(root, _digests(requests), CLIENT_CORE):
            swapping.append(poisson_load(server, requests, rate, 2 * seconds, seed=turn))
    both = [*steady, *swapping]
    return Tails(
        rate,
        [tally.percentile_ms(99) for tally in steady],
        [tally.percentile_ms(99) for tally in swapping],
        sum(tally.wrong for tally in both),
        sum(tally.failed + tally.shed for tally in both),
        len({digest for tally in swapping for digest in tally.digests}),
    )


def many_replies(server: Server, root: Path, requests: list[Request], count: int) -> str:
    """Ask on 32 connections until `count` replies came, while another process swaps models twice a second."""
    with Swapping(root, _digests(requests), CLIENT_CORE, 0.5):
        tally = on_loop(ClosedLoop(server.address, requests).run(connections=CONNECTIONS, replies=count))
    return _said(f"{count:,} replies on {CONNECTIONS} connections, models swapped twice a second", tally)


def many_swaps(server: Server, root: Path, requests: list[Request], count: int) -> str:
    """Swap `count` times under load, each swap as soon as the last one answers; return what came back."""
    tally, seconds = on_loop(_swap_under_load(server, root, requests, count))
    took = (
        f"a swap was live after {statistics.median(seconds) * 1e3:.0f} ms (median), {max(seconds) * 1e3:.0f} ms (most)"
    )
    return _said(f"{count:,} swaps under load on {CONNECTIONS} connections; {took}", tally)


async def _swap_under_load(
    server: Server, root: Path, requests: list[Request], count: int
) -> tuple[Tally, list[float]]:
    load = ClosedLoop(server.address, requests)
    running = asyncio.ensure_future(load.run(connections=CONNECTIONS))
    digests, seconds = _digests(requests), []
    await asyncio.sleep(0.5)
    for turn in range(count):
        digest = digests[(turn + 1) % len(digests)]
        before, started = load.tally.digests.get(digest.encode(), 0), time.perf_counter()
        await asyncio.to_thread(point_to, root, digest)
        while load.tally.digests.get(digest.encode(), 0) == before:
            if time.perf_counter() - started > 30 or running.done():
                raise TimeoutError(f"swap {turn} to {digest[:12]} was not live after 30 s: {load.tally.kinds}")
            await asyncio.sleep(0.005)
        seconds.append(time.perf_counter() - started)
    load.stop()
    return await running, seconds


def time_inside(server: Server, token: str) -> tuple[float, float]:
    """Return the mean microseconds of a request to `infer` in the server's own metrics, and of those in the model."""
    text = _get(server, "/metrics", token)
    return _mean_us(text, r"http_server_request_duration_seconds", 'infer"'), _mean_us(
        text, r"qatflow_inference_compute_infer_duration_seconds", "version"
    )


def _mean_us(text: str, name: str, label: str) -> float:
    sums, counts = (
        sum(
            float(value)
            for labels, value in re.findall(rf"^{name}_{kind}{{(.*)}} (\S+)$", text, re.MULTILINE)
            if label in labels
        )
        for kind in ("sum", "count")
    )
    return sums / counts * 1e6


def _served(server: Server, token: str) -> str:
    return str(json.loads(_get(server, "/v2/models/digits", token))["parameters"]["model_sha256"])


def _get(server: Server, path: str, token: str) -> str:
    url = f"http://127.0.0.1:{server.port}{path}"
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=10) as reply:  # noqa: S310 (ours)
        return str(reply.read().decode())


def _digests(requests: list[Request]) -> list[str]:
    return sorted(digest.decode() for digest in requests[0].replies)


def _said(what: str, tally: Tally) -> str:
    by_model = ", ".join(f"{count:,} of {digest.decode()[:12]}" for digest, count in sorted(tally.digests.items()))
    return (
        f"{what}: {tally.right:,} right ({by_model}), {tally.wrong} wrong, {tally.failed} failed, {tally.shed} shed; "
        f"{tally.rate:,.0f} a second; {tally.kinds or 'no failure'}\n"
    )
