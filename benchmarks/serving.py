"""The server beside its peers, in one run: capacity, tail, hot swaps, overload; every reply compared with the true one.

    python -m benchmarks.serving --cache DIR [--rounds 5] [--seconds 2] [--out benchmarks/results/serving.md]
    python -m benchmarks.serving --cache DIR --replies 1000000 | --swaps 1000 | --fuzz 1000000

All serve the same int8 network (0.304 M multiply-accumulates). Each peer runs in an environment of its own, made in
`--cache` (versions: benchmarks/peers/packages.json), as its own documentation starts it, with one worker. The server
under test has its token, limits, validation and metrics on; it runs with and without records of its requests. Servers
get one core, the load generator the other; rounds alternate between all servers.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks import serving_cases, serving_fuzz, serving_runs, serving_tables, serving_truth
from benchmarks.load import Request
from benchmarks.serving_cases import INVOCATIONS, PREDICT, V2_BINARY, V2_JSON, Dialect
from benchmarks.serving_runs import Capacity
from benchmarks.serving_servers import PEERS, Server, free_port, start, start_ours, start_peer
from qatflow.adapters.mlflow_pyfunc import save_pyfunc
from qatflow.deploy.local import deploy_local
from qatflow.release import bundle_runtime
from qatflow.release.bundle import load_bundle

TOKEN = "a-token-of-the-serving-benchmark"  # noqa: S105 (opens nothing but what this file starts)
SERVER_CORE, CLIENT_CORE = 0, 1
DISTINCT = {1: 512, 32: 64}
PEER_NAMES = ("mlflow", "bentoml", "litserve", "fastapi")
OURS = {"v2 JSON": V2_JSON, "/invocations JSON": INVOCATIONS, "v2 binary": V2_BINARY}
RECORDS = {"qatflow": "--no-record", "qatflow with records": "--record"}


@dataclass
class Contender:
    """A server, spoken to in one dialect.

    Attributes:
        requests: Samples in a request -> distinct requests.
    """

    name: str
    server: Server
    requests: dict[int, list[Request]]


def main() -> None:
    """Run what the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, required=True, help="folder of the peers' environments and the models")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--out", type=Path, help="write the tables here too")
    parser.add_argument("--replies", type=int, default=0)
    parser.add_argument("--swaps", type=int, default=0)
    parser.add_argument("--fuzz", type=int, default=0)
    arguments = parser.parse_args()
    cache = arguments.cache.absolute()
    cache.mkdir(parents=True, exist_ok=True)
    bundles = serving_cases.make_bundles(cache)
    os.sched_setaffinity(0, {CLIENT_CORE % (os.cpu_count() or 1)})
    with tempfile.TemporaryDirectory(prefix="qatflow-serving-") as scratch:
        bench = Bench(cache, Path(scratch), bundles)
        if arguments.replies:
            text = serving_truth.many_replies(*bench.followed(), arguments.replies)
        elif arguments.swaps:
            text = serving_truth.many_swaps(*bench.followed(), arguments.swaps)
        elif arguments.fuzz:
            text = serving_fuzz.fuzz(bench.ours(bundles[0]), TOKEN, bundles[0], arguments.fuzz)
        else:
            text = bench.side_by_side(arguments.rounds, arguments.seconds)
        bench.close()
    print(text)
    if arguments.out:
        arguments.out.write_text(text)


class Bench:
    """The servers of one run."""

    def __init__(self, cache: Path, scratch: Path, bundles: Sequence[Path]) -> None:
        self._cache, self._scratch, self._bundles, self._stack = cache, scratch, bundles, ExitStack()

    def close(self) -> None:
        """Stop all servers."""
        self._stack.close()

    def ours(self, bundle: Path, *options: str) -> Server:
        """Start `qatflow serve`."""
        server = start_ours(bundle, SERVER_CORE, self._scratch, TOKEN, *options)
        self._stack.callback(server.stop)
        return server

    def followed(self, *options: str) -> tuple[Server, Path, list[Request]]:
        """Start `qatflow serve` on a deploy root with all bundles; return requests with the true replies of each."""
        root = self._scratch / f"deployed{''.join(options)}"
        for bundle in reversed(self._bundles):
            deploy_local(bundle, root)
        server = self.ours(root, *options)
        batches = self._batches(1)
        requests = serving_truth.replies_of_each(server, root, V2_JSON, batches, self._bundles, TOKEN)
        return server, root, requests

    def side_by_side(self, rounds: int, seconds: float) -> str:
        """Return the tables of all measurements, as Markdown."""
        contenders = [*self._ours_in_each_dialect(), *self._peers()]
        found = self._capacities(contenders, rounds, seconds)
        trivial = {kind: self._trivial(kind, seconds) for kind in ("protocol", "asgi")}
        tails = self._tails(contenders, found, seconds)
        swaps = []
        for who, option in RECORDS.items():
            followed, capacity = self.followed(option), serving_tables.median_rate(found[f"{who}, v2 JSON"][1])
            swaps.append((who, serving_truth.tails(*followed, capacity / 2, rounds, seconds)))
        server, _, requests = self.followed("--no-record")
        capacity = serving_tables.median_rate(found["qatflow, v2 JSON"][1])
        overload = serving_runs.poisson_load(server, requests, 2 * capacity, 2 * seconds, connections=2048)
        naive = serving_runs.wrong_answers(*self._naive(), 2000)
        inside = serving_truth.time_inside(contenders[0].server, TOKEN)
        return serving_tables.write(found, trivial, tails, swaps, (overload, capacity), naive, inside)

    def _capacities(
        self, contenders: Sequence[Contender], rounds: int, seconds: float
    ) -> dict[str, dict[int, list[Capacity]]]:
        found: dict[str, dict[int, list[Capacity]]] = {one.name: {size: [] for size in DISTINCT} for one in contenders}
        servers = list({id(one.server): one.server for one in contenders}.values())
        for _ in range(rounds):
            for size in DISTINCT:
                for one in contenders:
                    serving_runs.settle(servers)
                    measured = serving_runs.capacity(one.server, one.requests[size], size, seconds)
                    found[one.name][size].append(measured)
        return found

    def _tails(
        self, contenders: Sequence[Contender], found: dict[str, dict[int, list[Capacity]]], seconds: float
    ) -> dict[str, tuple[float, float]]:
        """Return name -> rate and p99 in ms at half of its own capacity, single samples, Poisson arrivals."""
        tails = {}
        servers = list({id(one.server): one.server for one in contenders}.values())
        for one in contenders:
            serving_runs.settle(servers)
            rate = serving_tables.median_rate(found[one.name][1]) / 2
            tally = serving_runs.poisson_load(one.server, one.requests[1], rate, 2 * seconds)
            tails[one.name] = (rate, tally.percentile_ms(99))
        return tails

    def _ours_in_each_dialect(self) -> list[Contender]:
        found = []
        for who, option in RECORDS.items():
            server = self.ours(self._bundles[0], option)
            for name, dialect in OURS.items():
                found.append(Contender(f"{who}, {name}", server, self._requests(server, dialect, TOKEN)))
        return found

    def _peers(self) -> list[Contender]:
        found = []
        for name in PEER_NAMES:
            server, dialect = self._peer(name)
            found.append(Contender(f"{name}, JSON", server, self._requests(server, dialect)))
        return found

    def _peer(self, name: str) -> tuple[Server, Dialect]:
        (self._scratch / "runtime").mkdir(exist_ok=True)
        shutil.copy(bundle_runtime.__file__, self._scratch / "runtime")
        is_mlflow = name.startswith("mlflow")
        model = self._pyfunc(naive=name.endswith("naive")) if is_mlflow else self._bundles[0]
        server = start_peer(name, model, self._cache, SERVER_CORE, self._scratch)
        self._stack.callback(server.stop)
        return server, INVOCATIONS if is_mlflow else PREDICT

    def _naive(self) -> tuple[Server, list[Request]]:
        server, dialect = self._peer("mlflow naive")
        return server, self._requests(server, dialect)[1]

    def _pyfunc(self, *, naive: bool) -> Path:
        folder = self._scratch / f"pyfunc-{naive}"
        save_pyfunc(load_bundle(self._bundles[0]), folder)
        if naive:
            shutil.copy(PEERS / "mlflow_naive.py", folder / "pyfunc_model.py")
        return folder

    def _trivial(self, kind: str, seconds: float) -> Capacity:
        port = free_port()
        command = [self._cache / "fastapi" / "bin" / "python", PEERS / "trivial.py", kind, str(port)]
        server = start(f"trivial {kind}", command, port, SERVER_CORE, self._scratch)
        self._stack.callback(server.stop)
        body = b'{"scores":[[0.0,0.0,0.99609375,0.00390625,0.0,0.0,0.0,0.0,0.0,0.0]],"labels":["2"]}'
        batches = self._batches(1)
        requests = [Request(serving_cases.wire(V2_JSON, port, x, TOKEN), {b"": body}) for x in batches]
        return serving_runs.capacity(server, requests, 1, seconds)

    def _requests(self, server: Server, dialect: Dialect, token: str = "") -> dict[int, list[Request]]:
        bundle = self._bundles[:1]
        return {
            size: serving_cases.true_requests(dialect, server.port, self._batches(size), bundle, token)
            for size in DISTINCT
        }

    @staticmethod
    def _batches(size: int) -> list[serving_cases.Floats]:
        x = serving_cases.samples(DISTINCT[size] * size)
        return list(x.reshape(DISTINCT[size], size, *x.shape[1:]))


if __name__ == "__main__":
    main()
