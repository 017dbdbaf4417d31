"""What the orchestration costs: the flow's wall time over the time of its stage functions alone, in a fresh clone.

`python -m benchmarks.orchestration [--clone DIR]` prints a cold run, a run with nothing to do, and `dvc repro` with
nothing to do. Prefect's cold start is told apart; it overlaps with TensorFlow's import.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clone", type=Path, help="use this clone instead of a fresh one")
    clone = parser.parse_args().clone or _fresh_clone()
    cold = _flow(clone)
    idle = _flow(clone)
    started = time.monotonic()
    subprocess.run([Path(sys.executable).with_name("dvc"), "repro", "-q"], cwd=clone, check=True)
    repro_s = time.monotonic() - started
    print("| run | wall s | flow s | stage functions s | flow / functions | Prefect start s |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    print(_row("flow, fresh clone", cold))
    print(_row("flow, nothing changed", idle))
    print(f"| `dvc repro`, nothing changed | {repro_s:.1f} | | | | |")


def _fresh_clone() -> Path:
    clone = Path(tempfile.mkdtemp(prefix="qatflow-bench-")) / "clone"
    subprocess.run([shutil.which("git") or "git", "clone", "-q", str(ROOT), str(clone)], check=True)
    return clone


def _flow(clone: Path) -> dict[str, float]:
    started = time.monotonic()
    subprocess.run([sys.executable, "-m", "flows.retrain"], cwd=clone, check=True, stdout=subprocess.DEVNULL)
    wall_s = time.monotonic() - started
    run = json.loads((clone / "logs" / "last_run.json").read_text())
    work_s = sum(stage["work_s"] for stage in run["stages"].values())
    return {"wall_s": wall_s, "work_s": work_s, "flow_s": run["flow_s"], "prefect_start_s": run["prefect_start_s"]}


def _row(name: str, run: dict[str, float]) -> str:
    ratio = f"{run['flow_s'] / run['work_s']:.2f}" if run["work_s"] else ""
    return (
        f"| {name} | {run['wall_s']:.1f} | {run['flow_s']:.1f} | {run['work_s']:.1f} | {ratio} "
        f"| {run['prefect_start_s']:.1f} |"
    )


if __name__ == "__main__":
    main()
