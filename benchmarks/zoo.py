"""Known architectures on the whole way: quantized at 8 and 4 bits, saved, served, made into C sources.

`python -m benchmarks.zoo [NAME ...]` takes one network of each family, or those named; `--all` all of them. Each runs
in a process of its own within `--minutes`. What was measured is kept in `benchmarks/results/zoo.json`, row by row, and
written as `docs/zoo.md`. MLPerf Tiny's models are left out unless MLPERF_TINY names their folder.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.zoo_nets import TINY, nets
from benchmarks.zoo_page import page, row

ROOT = Path(__file__).parents[1]
KEPT = ROOT / "benchmarks" / "results" / "zoo.json"
PAGE = ROOT / "docs" / "zoo.md"
MARK = "zoo:"


def main() -> int:
    """Run networks and write the page; return 1 if one failed other than by a sentence."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", nargs="*", help="only these networks")
    parser.add_argument("--all", action="store_true", help="all members of each family")
    parser.add_argument("--minutes", type=float, default=10.0, help="limit for each network")
    parser.add_argument("--untrained", action="store_true", help="leave out strategies that train")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child:
        return _child(asked.name[0], trained=not asked.untrained)
    if TINY not in os.environ:
        print(f"MLPerf Tiny's models are left out: {TINY} names no folder that holds them")
    known = nets()
    kept = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    for name in asked.name or [name for name, net in known.items() if net.chosen or asked.all]:
        kept[name] = _in_process(name, asked.minutes, ["--untrained"] if asked.untrained else [])
        print(row(kept[name]), flush=True)
        kept = {each: kept[each] for each in known | kept if each in kept}
        KEPT.write_text(json.dumps(kept, indent=1) + "\n")
        PAGE.write_text(page(kept))
    return int(any("failed" in found for found in kept.values()))


def _in_process(name: str, minutes: float, options: list[str]) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.zoo", "--child", *options, name]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60 * minutes, check=False, cwd=ROOT)
    except subprocess.TimeoutExpired:
        return {"name": name, "late": minutes}
    told = [line.removeprefix(MARK) for line in done.stdout.splitlines() if line.startswith(MARK)]
    return json.loads(told[0]) if told else {"name": name, "failed": done.stderr.strip().splitlines()[-1][:300]}


def _child(name: str, *, trained: bool) -> int:
    """Take one network through everything in this process."""
    from benchmarks.zoo_trial import run
    from qatflow.backend import start

    start(0)
    net = nets()[name]
    net = net if trained else replace(net, small=False)
    with tempfile.TemporaryDirectory() as folder:
        print(MARK + json.dumps(run(name, net, Path(folder)), default=float))
    return 0


if __name__ == "__main__":
    sys.exit(main())
