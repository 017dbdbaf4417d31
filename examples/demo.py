"""The whole loop on a drifting world, unattended: `make demo`, or `python -m examples.demo [--out DIR]`.

A project of its own is made in the folder, trained, deployed and served. People write digits; then they write them
turned, noisily and in another mix. Monitoring sees it, asks for a retraining on what was recorded, the winner is tried
beside the champion, promoted, and the accuracy comes back. At the end there is a timeline, `timeline.png`.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np

from examples.demo_world import World, known
from qatflow import params_file
from qatflow.artifacts import write_json
from qatflow.release.log import PromotionLog
from qatflow.visualize.loop import Answer, Moment, draw_loop

ROOT = Path(__file__).parents[1]
MARK = ".qatflow-demo"
NAME = "qatflow-digits"
LEFT_OUT = ("docs/", "tests/", "benchmarks/", "dvc.lock")
LIMIT_S = 300.0
QUIET, AFTERWARDS = 400, 400
"""Answers before the drift and after the promotion, from which the accuracies of then are told."""
SETTINGS = {
    "data.source": "arrays",
    "data.path": "data/digits.npz",
    "data.normalize": "unit",
    "pretrain.epochs": 16,
    "quantize.variants": ["ptq_w8a8"],
    "ensemble.members": "none",
    "evaluate.latency_runs": 30,
    "explain.samples": 0,
    "release.gates": {"accuracy_drop": {"max_drop": 0.03}, "explanation_drift": None},
    "release.canary": True,
    "serving.canary.share": 0.3,
    "serving.canary.min_requests": 100,
    # After a drift a good challenger disagrees with the champion: what is asked of it is not to.
    "serving.canary.min_agreement": 0.05,
    "monitoring.alpha": 0.001,
    "monitoring.retrain_labels": 400,
    "flow.monitor_every_s": 10,
}


@dataclass
class Demo:
    """The demo's project, and what happened in it when.

    Attributes:
        started: Unix seconds of the first request.
    """

    root: Path
    port: int
    api: str
    started: float = 0.0
    moments: list[Moment] = field(default_factory=list)

    @property
    def env(self) -> dict[str, str]:
        """Variables of all its commands."""
        own = {"PYTHONPATH": str(self.root / "src"), "PREFECT_HOME": str(self.root.parent / "prefect")}
        calm = {"PREFECT_RUNNER_POLL_FREQUENCY": "2", "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        return {**os.environ, **own, **calm, "PATH": path, "PREFECT_LOGGING_LEVEL": "WARNING"}

    def happened(self, what: str) -> None:
        """Note and say that something happened."""
        self.moments.append(Moment(time.time() - self.started, what))
        print(f" {self.moments[-1].at_s:6.1f} s  {what}", flush=True)

    def run(self, *words: str) -> None:
        """Run a command to its end; its output goes to a log."""
        with (self.root.parent / "commands.log").open("ab") as log:
            done = subprocess.run(words, cwd=self.root, env=self.env, stdout=log, stderr=log, check=False)
        if done.returncode:
            raise SystemExit(f"{' '.join(words)} ended with {done.returncode}; see {log.name}")

    @contextmanager
    def running(self, *words: str) -> Iterator[subprocess.Popen[bytes]]:
        """Run a command beside the block, as a process group of its own; end it with the block."""
        with (self.root.parent / f"{words[-1].lstrip('-')}.log").open("ab") as log:
            process = subprocess.Popen(
                words, cwd=self.root, env=self.env, stdout=log, stderr=log, start_new_session=True
            )
        try:
            yield process
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)


def main() -> None:
    """Run the demo; exit code 1 if the loop does not close in time."""
    parser = argparse.ArgumentParser(prog="python -m examples.demo", description=__doc__)
    parser.add_argument(
        "--out", type=Path, default=Path("demo"), help="a folder of its own; an earlier demo's is replaced"
    )
    out = parser.parse_args().out.absolute()
    began = time.monotonic()
    demo = Demo(_project(out), _free_port(), f"http://127.0.0.1:{_free_port()}/api")
    params_file.edit(demo.root / "params.yaml", {**SETTINGS, "serving.port": demo.port})
    print(f" a project of its own in {demo.root}\n training and deploying the first champion", flush=True)
    demo.run(sys.executable, "-m", "flows.retrain", "the first champion")
    prefect_port = demo.api.split(":")[2].split("/")[0]
    serve = ("qatflow", "serve", "--bundle", "deployed", "--name", NAME)
    schedules = (sys.executable, "-m", "flows.schedules", "--port", prefect_port)
    with demo.running(*serve) as server, demo.running(*schedules) as flows:
        _wait(demo, lambda: _answers(f"http://127.0.0.1:{demo.port}/v2/health/ready"), "the server", server, flows)
        demo.started = time.time()
        with World(f"http://127.0.0.1:{demo.port}", NAME) as world:
            before, drifted = _play(demo, world, server, flows)
    seconds = time.monotonic() - began
    _tell(demo, world, before, drifted, seconds, out)
    print(f" done in {seconds:.0f} s; timeline  {out / 'timeline.png'}")
    if seconds > LIMIT_S:
        sys.exit(f"The loop closed, but took more than {LIMIT_S:.0f} s")


def _play(demo: Demo, world: World, *processes: subprocess.Popen[bytes]) -> tuple[float, float]:
    """Let the world drift and the loop answer; return the champion's accuracy before and after the drift."""
    demo.happened("requests and labels come in")
    url = f"http://127.0.0.1:{demo.port}"
    _wait(demo, lambda: len(world.right) >= QUIET and _answers(f"{demo.api}/health"), "the first answers", *processes)
    before = sum(right for _, right, _ in world.right) / len(world.right)
    world.drifted, began = True, time.time()
    demo.happened(f"drift begins, accuracy was {before:.0%}")
    _wait(demo, lambda: _metric(url, "qatflow_records_drift_detected") == 1, "drift seen by the server", *processes)
    demo.happened("drift seen by the server")
    records, log = demo.root / "monitoring", PromotionLog(demo.root, NAME)
    _wait(demo, (records / "asked.json").exists, "the retraining asked for", *processes)
    demo.happened("enough labels; the monitor flow asks for a retraining")
    _wait(demo, lambda: any(entry.action == "hold" for entry in log.read()), "a winner", *processes)
    demo.happened("retrained on the recorded window; gates passed")
    fallen = np.mean([right for at, right, _ in world.right if at > began])
    _wait(demo, (demo.root / "deployed" / "rollout.json").exists, "the canary", *processes)
    demo.happened(f"canary: {SETTINGS['serving.canary.share']:.0%} of the people ask the challenger")
    _wait(demo, lambda: log.read()[-1].action in {"promote", "reject"}, "the verdict", *processes)
    demo.happened(f"{log.read()[-1].action}d version {log.read()[-1].version}")
    settled = len(world.right) + AFTERWARDS
    _wait(demo, lambda: len(world.right) >= settled, "the answers afterwards", *processes)
    demo.happened(f"accuracy is {world.accuracy():.0%} again; it had fallen to {fallen:.0%}")
    return before, fallen


def _project(out: Path) -> Path:
    """Make a project in `out / "project"` as a clone would be, with the digits that are known, and return it."""
    if out.exists() and any(out.iterdir()) and not (out / MARK).exists():
        raise SystemExit(f"{out} holds something else; choose another folder with --out")
    shutil.rmtree(out, ignore_errors=True)
    root = out / "project"
    root.mkdir(parents=True)
    (out / MARK).touch()
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in listed.stdout.splitlines():
        if not name.startswith(LEFT_OUT) and (ROOT / name).is_file():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, root / name)
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    x, y = known()
    np.savez(root / "data" / "digits.npz", x=x, y=y)
    return root


def _wait(demo: Demo, ready: Callable[[], bool], what: str, *processes: subprocess.Popen[bytes]) -> None:
    ends = time.monotonic() + LIMIT_S
    while not ready():
        if any(process.poll() is not None for process in processes):
            raise SystemExit(f"a process of the demo ended; its log is in {demo.root.parent}")
        if time.monotonic() > ends:
            raise SystemExit(f"{what} did not come within {LIMIT_S:.0f} s; logs are in {demo.root.parent}")
        time.sleep(0.25)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2).is_success
    except httpx.HTTPError:
        return False


def _metric(url: str, name: str) -> float | None:
    try:
        text = httpx.get(f"{url}/metrics", timeout=5).text
    except httpx.HTTPError:
        return None
    found = [line.split()[1] for line in text.splitlines() if line.startswith(f"{name} ")]
    return float(found[0]) if found else None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _tell(demo: Demo, world: World, before: float, fallen: float, seconds: float, out: Path) -> None:
    answers = [Answer(at - demo.started, right, version) for at, right, version in world.right]
    after = world.accuracy()
    words = (
        f"Accuracy {before:.0%}, {fallen:.0%} under drift, {after:.0%} after the loop retrained and promoted by itself"
    )
    draw_loop(answers, demo.moments, words, out / "timeline.png")
    figures = {"before": before, "fallen": float(fallen), "after": after, "seconds": seconds, "asked": world.asked}
    moments = [moment._asdict() for moment in demo.moments]
    write_json(out / "timeline.json", {**figures, "failed": world.failed, "moments": moments})
    print(f" {world.asked} requests, {world.failed} failed; {words}")


if __name__ == "__main__":
    main()
