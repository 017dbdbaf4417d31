"""What one run of the flow holds: parameters, the DVC graph, the process that runs stages, the screen, the tracker."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from rich.console import Console

from qatflow import params_file
from qatflow.adapters.dvc_stages import Graph
from qatflow.adapters.mlflow_stages import RunTracker
from qatflow.adapters.stage_worker import StageWorker
from qatflow.artifacts import write_json
from qatflow.cli.screen import Screen
from qatflow.holding import held, project_lock
from tasks.unchanged import check_same, keys_of

ROOT = Path(__file__).parents[1]
LOG = ROOT / "logs" / "run.log"
_NEEDS_TENSORFLOW = ("pretrain", "quantize@", "convert@")  # a transfer too, but then what follows does


@dataclass
class StageTime:
    """How a stage ended and the seconds it took: its own work, and all of it with DVC's and MLflow's part."""

    outcome: str
    work_s: float = 0.0
    total_s: float = 0.0


@dataclass
class Session:
    """One run. Made before Prefect starts, so that TensorFlow's import and Prefect's start overlap."""

    screen: Screen = field(default_factory=lambda: Screen(Console(quiet=True)))
    reason: str = "by hand"
    started: float = field(default_factory=time.monotonic)
    times: dict[str, StageTime] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._stack = ExitStack()
        self._stack.enter_context(held(project_lock(ROOT), f"`qatflow run`, {self.reason}"))
        with ExitStack() as stack:
            stack.callback(self._stack.close)
            self._open()
            stack.pop_all()

    def _open(self) -> None:
        self.params = params_file.load(ROOT / "params.yaml")
        self.graph = Graph(ROOT)
        self._stale = set(self.graph.stale())
        preload = any(name.startswith(_NEEDS_TENSORFLOW) for name in self._stale)
        self.worker = self._stack.enter_context(StageWorker(ROOT, LOG, preload=preload))
        self.tracker = RunTracker(ROOT, self.params, self.reason)
        if self._stale:
            self.worker.start()
            # Now, while the worker imports TensorFlow, and in this thread: MLflow and Prefect share SQLAlchemy, whose
            # mappers break if one is opened while the other is imported.
            _ = self.tracker.tracker

    def run_stage(self, name: str) -> str:
        """Bring a stage up to date; return "fresh", "restored", "tracked" (new data) or "ran".

        Raises:
            QATFlowError: Why the stage failed, beginning with its name.
        """
        started = time.monotonic()
        work_s = 0.0
        with self.screen.stage(name) as line:

            def execute(command: str) -> None:
                nonlocal work_s
                check_same(self.params, params_file.load(ROOT / "params.yaml"), keys_of(ROOT, name))
                limit_s = self.params.flow.stage_timeout_s
                with self.tracker.stage(name) as env:
                    work_s = self.worker.run(command, limit_s, line.progress, env | {"QATFLOW_REASON": self.reason})

            try:
                line.outcome = self.graph.ensure(name, execute, unchanged=name not in self._stale)
            except Exception as error:
                error.args = (f"{name}: {error}",)
                raise
        if name not in self._stale and line.outcome != "fresh":  # it was altered, so what follows is in doubt too
            self._stale = set(self.graph.stages())
        self.times[name] = StageTime(line.outcome, work_s, time.monotonic() - started)
        return line.outcome

    def __enter__(self) -> Session:
        self.entered = time.monotonic()
        self.screen.ready()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._stack:  # the worker ends, then the lock
            self.tracker.finish(failed=error is not None)
        stages = {name: vars(times) for name, times in self.times.items()}
        seconds = {"prefect_start_s": self.entered - self.started, "flow_s": time.monotonic() - self.entered}
        write_json(LOG.with_name("last_run.json"), {**seconds, "stages": stages})
