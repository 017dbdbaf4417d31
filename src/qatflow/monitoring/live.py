"""Watches the champion while it serves: keeps the last window in memory, and judges it every half window."""

from __future__ import annotations

import json
import logging
import sqlite3
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import psutil

from qatflow.monitoring import health
from qatflow.monitoring.batches import Batch
from qatflow.monitoring.drift_report import DriftReport, Labelled
from qatflow.monitoring.records import add_report
from qatflow.monitoring.reference import Reference
from qatflow.monitoring.state import State, labelled, load_state, no_labels, save_state, take_labels
from qatflow.monitoring.watch import examine
from qatflow.monitoring.windows import Served
from qatflow.monitoring.writer import Writer
from qatflow.params.monitoring import MonitoringParams

KEEP_EVERY_S = 5.0
log = logging.getLogger("qatflow.monitoring")


class Live:
    """Drift of one model, judged from what is in memory: it goes on when nothing can be recorded.

    Attributes:
        report: The last one; None before the first window is full.
    """

    def __init__(self, reference: Reference, params: MonitoringParams, writer: Writer) -> None:
        self.reference = reference
        self.report: DriftReport | None = None
        self._params, self._writer = params, writer
        self._state: State = load_state(writer.folder, reference.about.model_sha256)
        self._chunks: list[Served] = []
        self._waiting = 0
        self._kept_at, self._kept_drift = 0.0, False

    def take(self, batches: Sequence[Batch]) -> None:
        """Take what was answered, and judge the last window if it is full and half of it is new.

        However much comes at once, it is judged once: under load the cost of a request falls.
        """
        ours = [batch.served for batch in batches if batch.model.sha256 == self.reference.about.model_sha256]
        if not ours or len(ours[-1].features[0]) != len(self.reference.about.features):
            return
        self._chunks += ours
        self._waiting += sum(map(len, ours))
        if self._waiting < max(1, self._params.window // 2):
            return
        whole = self._window()
        if len(whole) == self._params.window:
            self._waiting = 0
            self._judge(whole)

    def _window(self) -> Served:
        whole = self._chunks[0]
        for chunk in self._chunks[1:]:
            whole = whole.then(chunk)
        self._chunks = [whole.last(self._params.window)]
        return self._chunks[0]

    def _judge(self, served: Served) -> None:
        memory = psutil.Process().memory_info().rss
        about = self.reference.about
        found = health.judge(served, about.saturated, memory, self._state.baseline)
        known = self._writer.run(self._take_labels) or no_labels(about)
        self.report = examine(self.reference, served, self._params.statistics, self._params.alpha, found, known)
        if self._state.baseline is None:
            self._state = replace(self._state, baseline=health.Baseline(found.latency_ms, found.memory_mb))
        self._keep(self.report)

    def _take_labels(self, connection: sqlite3.Connection) -> Labelled:
        self._state = take_labels(connection, self._state)
        return labelled(connection, self._state, self.reference.about, self._params.window)

    def _keep(self, report: DriftReport) -> None:
        """Write the report and the state: what is new at once, what is as before every few seconds."""
        now = time.monotonic()
        if report.drifted != self._kept_drift:
            log.warning("drift: %s", "; ".join(report.reasons) if report.drifted else "none any more")
        elif now - self._kept_at < KEEP_EVERY_S:
            return
        self._kept_at, self._kept_drift = now, report.drifted
        text = json.dumps(report.to_dict())
        self._writer.run(partial(add_report, when=time.time(), report=text))
        self._writer.run(lambda _: save_state(self._writer.folder, self._state))
