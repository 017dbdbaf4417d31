"""Takes what a server answered, in no time, and lets a thread of its own write it down and watch for drift."""

from __future__ import annotations

import logging
import random
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from threadpoolctl import ThreadpoolController

from qatflow.artifacts import Array
from qatflow.errors import MonitoringError
from qatflow.monitoring.batches import Batch, Item, batches
from qatflow.monitoring.feedback import OUTCOMES, give_labels
from qatflow.monitoring.live import Live
from qatflow.monitoring.records import append, delete_old, model_id, transaction
from qatflow.monitoring.reference import Reference
from qatflow.monitoring.watch import check_statistics
from qatflow.monitoring.writer import Writer
from qatflow.params.monitoring import MonitoringParams

GROUP_S = 0.5
MAX_WAITING, MAX_WAITING_BYTES = 8192, 64 << 20
SAMPLE_BYTES = 1024
"""What a sample takes while it is written, beside its input and scores: a row of Python objects, features, an id."""
KEPT_REFERENCES = 8
"""Of models that served before: what they answered may still wait, and no model comes back so late."""
DELETIONS = 20
"""Slices in one turn: 100,000 records, several times what can come in it."""
log = logging.getLogger("qatflow.monitoring")


class Recorder:
    """Records the requests of one server in a folder of its own, and watches its champion for drift.

    `record` may be called from any thread; it only appends to a bounded queue. Twice a second a thread takes what
    is there, describes and writes it in one transaction, and deletes what is too old or too much, whether anything came
    or not. A process that is killed loses half a second. Nothing that goes wrong with the records reaches the one who
    serves.

    Raises:
        MonitoringError: If another server records into `folder`, or its records are of another version.
        ParamsError: If there is no such drift statistic.
    """

    def __init__(self, folder: Path, reference: Reference | None, params: MonitoringParams) -> None:
        check_statistics(params.statistics)
        self._params = params
        self._writer = Writer(folder)
        self._queue: deque[Item] = deque()
        self._waiting_bytes = 0
        self._counts = dict.fromkeys(("recorded", "dropped", "failed", "sampled_out", "deleted"), 0)
        self._labels = dict.fromkeys(OUTCOMES, 0)
        self._label_at: float | None = None
        self._references: dict[str, Reference] = {}
        self._live: Live | None = None
        self._hand_over, self._work = threading.Lock(), threading.Lock()
        self._stopping = threading.Event()
        self.refer(reference)
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._thread.start()

    def record(self, x: Array, scores: Array, *, model_sha256: str, request_id: str, latency_s: float) -> None:
        """Append a request: x (n, *input shape) float32 in the data's own units, and its scores (n, k) float32.

        Neither may be changed afterwards. A sample's id is `request_id`; in a request of several, `request_id/0`,
        `request_id/1` and so on. `latency_s` is of the whole request. If the queue is full the request is dropped.
        """
        if self._params.sample < 1.0 and random.random() >= self._params.sample:  # noqa: S311 (no secret)
            self._counts["sampled_out"] += len(x)
            return
        item = Item(time.time(), request_id, model_sha256, latency_s, x, scores)
        with self._hand_over:
            if len(self._queue) >= MAX_WAITING or self._waiting_bytes > MAX_WAITING_BYTES:
                self._counts["dropped"] += len(x)
            else:
                self._queue.append(item)
                self._waiting_bytes += x.nbytes + scores.nbytes + len(x) * SAMPLE_BYTES

    def feedback(self, pairs: Iterable[tuple[str, Any]]) -> dict[str, int]:
        """Give labels (sample id, class or number) to records; return how many of each outcome. May take a while.

        See `feedback.give_labels` for the outcomes.

        Raises:
            MonitoringError: If the records cannot be written now; no label was given, and all may be sent again.
        """
        self.flush()
        pairs = list(pairs)
        counts = self._writer.run(partial(give_labels, pairs=pairs, window=self._params.window))
        if counts is None:
            raise MonitoringError("Labels cannot be kept now, as nothing can be recorded; send them again later")
        for name, count in counts.items():
            self._labels[name] += count
        self._label_at = time.time()
        return counts

    def refer(self, reference: Reference | None) -> None:
        """Watch another model from here on; the server calls it when it has swapped. Windows never mix models."""
        with self._work:
            if reference is None:
                self._live = None
            elif self._live is None or self._live.reference is not reference:
                self._references[reference.about.model_sha256] = reference
                for former in list(self._references)[:-KEPT_REFERENCES]:
                    del self._references[former]
                self._live = Live(reference, self._params, self._writer)

    def figures(self) -> dict[str, Any]:
        """Return counts, and of the last drift report the p-values; never waits.

        `drift` is the whole report as JSON-like values, None before there is one; all others are numbers.
        """
        report = self._live.report if self._live else None
        figures: dict[str, Any] = {**self._counts, "waiting": len(self._queue)}
        figures |= {"recording": int(not self._writer.trouble), "set_aside": len(self._writer.set_aside)}
        figures |= {f"labels_{name}": count for name, count in self._labels.items()}
        if self._label_at is not None:
            figures["last_label_age_seconds"] = time.time() - self._label_at
        if report is not None:
            figures |= {"drift_detected": int(report.drifted), "error_changed": int(report.error_changed)}
            figures |= {f"drift_{name}_p": finding.adjusted_p for name, finding in report.statistics.items()}
            figures["saturated_share"] = report.health.saturated
        return {**figures, "drift": report.to_dict() if report else None}

    def flush(self) -> None:
        """Write all that was recorded before, in the calling thread."""
        with self._work:
            with self._hand_over:
                items, self._queue, self._waiting_bytes = self._queue, deque(), 0
            if not items:
                return
            usual = self._live.reference if self._live else None
            found = batches(items, self._references, usual)
            self._write(found)
            if self._live is not None:
                self._live.take(found)

    def close(self) -> None:
        """Write what is left and let go of the folder."""
        self._stopping.set()
        self._thread.join()
        self._flush_safely()
        self._writer.close()

    def _run(self) -> None:
        # In the whole process, for good: our products are too small for two threads, which wait for work by spinning.
        ThreadpoolController().limit(limits=1, user_api="blas")
        while not self._stopping.wait(GROUP_S):
            self._flush_safely()

    def _flush_safely(self) -> None:
        """Flush and delete; whatever is wrong with these requests, the next ones are recorded."""
        for what in (self.flush, self._delete):
            try:
                what()
            except Exception:
                log.exception("requests could not be recorded, or old ones not deleted")

    def _delete(self) -> None:
        """Keep to `keep_days` and `keep_rows`, in slices, between which others may write."""
        work = partial(delete_old, keep_days=self._params.keep_days, keep_rows=self._params.keep_rows)
        for _ in range(DELETIONS):
            gone = self._writer.run(work)
            if not gone:
                break
            self._counts["deleted"] += gone

    def _write(self, found: Sequence[Batch]) -> None:
        samples = sum(map(len, found))
        done = self._writer.run(partial(self._append, found=found))
        self._counts["recorded" if done else "failed"] += samples

    def _append(self, connection: sqlite3.Connection, found: Sequence[Batch]) -> bool:
        with transaction(connection):
            for batch in found:
                number = model_id(connection, batch.model)
                append(connection, batch.rows(number, keep_inputs=self._params.keep_inputs))
        return True
