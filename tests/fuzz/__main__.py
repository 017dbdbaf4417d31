"""`python -m tests.fuzz --models 2000`: brings so many strangers and prints what does not hold, a JSON line each.

Chunks of models run in processes of their own, so that a crash of the converter is a find and not the end.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from time import monotonic

ROOT = Path(__file__).parents[2]
CHUNK = 20
TIMEOUT_S = 120
"""A model, on a machine that does other things as well."""
ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"), "1"
)
"""The models are small and the processes many: threads would wait for each other."""


def main() -> int:
    """Return 1 if anything was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--models", type=int, default=100)
    parser.add_argument("--first", type=int, default=0, help="seed of the first model")
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--minutes", type=float, default=float("inf"), help="start nothing after so long")
    parser.add_argument("--strategies", nargs="*", default=[], help="by default all, in turn")
    parser.add_argument("--out", type=Path, default=None, help="file for the JSON lines too")
    parser.add_argument("--chunk", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.chunk:
        return _chunk(asked)
    ends = monotonic() + 60 * asked.minutes
    starts = range(asked.first, asked.first + asked.models, CHUNK)
    with ThreadPoolExecutor(asked.workers) as pool:
        jobs = [pool.submit(_in_process, asked, start, ends) for start in starts]
        found = [line for job in jobs for line in job.result()]
    models = sum(line["kind"] == "tried" for line in found)
    kinds = Counter(f"{line['strategy']}: {line['kind']}" for line in found if line["kind"] != "tried")
    print(f"{models} models, {sum(kinds.values())} finds")
    for kind, count in kinds.most_common():
        print(f"{count:6} {kind}")
    return int(bool(kinds))


def _in_process(asked: argparse.Namespace, start: int, ends: float) -> list[dict[str, str]]:
    if monotonic() > ends:
        return []
    count = min(CHUNK, asked.first + asked.models - start)
    command = [sys.executable, "-m", "tests.fuzz", "--chunk", "--first", str(start), "--models", str(count)]
    environment = {**os.environ, **ONE_THREAD, "TF_USE_LEGACY_KERAS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    try:
        done = subprocess.run(
            [*command, "--strategies", *asked.strategies],
            capture_output=True, text=True, cwd=ROOT, env=environment, timeout=TIMEOUT_S * count, check=False,
        )  # fmt: skip
        output, ending = done.stdout, f"ended with {done.returncode}: {done.stderr[-300:]}"
    except subprocess.TimeoutExpired as late:
        output, ending = (late.stdout or b"").decode(), f"no end after {TIMEOUT_S * count} s"
    lines = [json.loads(line) for line in output.splitlines() if line.startswith('{"seed"')]
    tried = {line["seed"] for line in lines if line["kind"] == "tried"}
    missing = [seed for seed in range(start, start + count) if seed not in tried]
    if missing:
        lines.append({"seed": missing[0], "strategy": "?", "kind": "process", "figure": ending, "recipe": ""})
    for line in lines:
        text = json.dumps(line)
        if line["kind"] != "tried":
            print(text, flush=True)
        if asked.out:
            with asked.out.open("a") as file:
                file.write(text + "\n")
    return lines


def _chunk(asked: argparse.Namespace) -> int:
    """Try models in this process."""
    from tests.fuzz.invariants import finds, turn
    from tests.fuzz.stranger import stranger

    for seed in range(asked.first, asked.first + asked.models):
        started, brought = monotonic(), stranger(seed)
        for find in finds(brought, tuple(asked.strategies) or turn(seed)):
            print(json.dumps(asdict(find) | {"recipe": " | ".join(brought.recipe)}), flush=True)
        told = {"seed": seed, "strategy": "", "kind": "tried", "figure": f"{monotonic() - started:.1f} s"}
        print(json.dumps(told), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
