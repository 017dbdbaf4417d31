"""What one run of the flow holds: parameters, the DVC graph, the process that runs stages, the screen, the tracker."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from rich.console import Console

from qatflow import params_file
from qatflow.adapters.mlflow_stages import RunTracker
from qatflow.artifacts import write_json
from qatflow.holding import held, project_lock
from qatflow.pipeline.dvc_yaml import bring_up_to_date
from qatflow.pipeline.graph import Graph
from qatflow.pipeline.inputs import check_same, keys_of
from qatflow.pipeline.worker_process import StageWorker
from qatflow.screen import Screen

LOG = Path("logs") / "run.log"
"""Of a project."""
_NEEDS_TENSORFLOW = ("pretrain", "quantize@", "convert@")  # a transfer too, but then what follows does


@dataclass
class StageTime:
    """How a stage ended and the seconds it took: its own work, and all of it with DVC's and MLflow's part."""

    outcome: str
    work_s: float = 0.0
    total_s: float = 0.0


@dataclass
class Session:
    """One run of a project's graph. Use as a context manager, which ends the stages' process and MLflow's run.

    Opened before Prefect answers, so that TensorFlow's import and the start of Prefect's server overlap.
    """

    root: Path
    reason: str = "by hand"
    screen: Screen = field(default_factory=lambda: Screen(Console(quiet=True)))
    times: dict[str, StageTime] = field(default_factory=dict)

    def __enter__(self) -> Session:
        self._opened = self._began = time.monotonic()
        with ExitStack() as stack:
            stack.enter_context(held(project_lock(self.root), f"`qatflow run`, {self.reason}"))
            self.params = params_file.load(self.root / "params.yaml")
            bring_up_to_date(self.root)
            self.graph = Graph(self.root)
            self._stale = set(self.graph.stale())
            preload = any(name.startswith(_NEEDS_TENSORFLOW) for name in self._stale)
            self.worker = stack.enter_context(StageWorker(self.root, self.root / LOG, preload=preload))
            self.tracker = RunTracker(self.root, self.params, self.reason)
            if self._stale:
                self.worker.start()
                # Now, while the worker imports TensorFlow, and in this thread: MLflow and Prefect share SQLAlchemy,
                # whose mappers break if one is opened while the other is imported.
                _ = self.tracker.tracker
            self._stack = stack.pop_all()
        return self

    def stages(self) -> list[str]:
        """Return the stages in their order; called as the run begins: what came before was Prefect's start."""
        self._began = time.monotonic()
        self.screen.ready()
        return self.graph.stages()

    def outcomes(self) -> dict[str, str]:
        """Return how each stage ended: "fresh", "restored", "tracked" (new data) or "ran"."""
        return {name: times.outcome for name, times in self.times.items()}

    def run_stage(self, name: str) -> str:
        """Bring a stage up to date; return "fresh", "restored", "tracked" (new data) or "ran".

        Raises:
            QATFlowError: Why the stage failed, beginning with its name.
        """
        started = time.monotonic()
        work_s = 0.0
        with self.screen.stage(name) as line:

            def execute(stage: str) -> None:
                nonlocal work_s
                check_same(self.params, params_file.load(self.root / "params.yaml"), keys_of(self.root, name))
                limit_s = self.params.flow.stage_timeout_s
                with self.tracker.stage(name) as env:
                    work_s = self.worker.run(stage, limit_s, line.progress, env | {"QATFLOW_REASON": self.reason})

            try:
                line.outcome = self.graph.ensure(name, execute, unchanged=name not in self._stale)
            except Exception as error:
                error.args = (f"{name}: {error}",)
                raise
        if name not in self._stale and line.outcome != "fresh":  # it was altered, so what follows is in doubt too
            self._stale = set(self.graph.stages())
        self.times[name] = StageTime(line.outcome, work_s, time.monotonic() - started)
        return line.outcome

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._stack:  # the worker ends, then the lock
            self.tracker.finish(failed=error is not None)
        stages = {name: vars(times) for name, times in self.times.items()}
        seconds = {"prefect_start_s": self._began - self._opened, "flow_s": time.monotonic() - self._began}
        write_json((self.root / LOG).with_name("last_run.json"), {**seconds, "stages": stages})
