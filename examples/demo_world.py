"""The world of the demo: people write digits, one after the other, and at some moment write them differently."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass, field

import httpx
import numpy as np
from scipy.ndimage import rotate
from sklearn.datasets import load_digits

KNOWN = 1000
"""Digits that the project has to learn from; the other 797 are what people write later."""
ANGLE, NOISE = 45.0, 1.5
COMMON = (1, 4, 7)
"""After the drift these come up three times as often."""
LABEL_SHARE, LABEL_DELAY_S = 0.5, 2.0
ROLLING = 100


def known() -> tuple[np.ndarray, np.ndarray]:
    """Return the project's data: x (1000, 8, 8, 1) float32, 0 to 16, and y (1000,) int64."""
    x, y = _shuffled()
    return x[:KNOWN], y[:KNOWN]


def _shuffled() -> tuple[np.ndarray, np.ndarray]:
    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))
    return x[order].reshape(-1, 8, 8, 1).astype(np.float32), y[order]


@dataclass
class World:
    """Sends digits to the server at a steady rate, and tells it half of the labels two seconds later.

    Attributes:
        url: Of the server.
        model: Name of the model.
        rate: Requests a second.
        drifted: Whether people write differently now.
        asked: Requests so far; `failed` of them got no answer.
        right: (time, whether the answer was right, version of the model that gave it) of each answer.
    """

    url: str
    model: str
    rate: float = 40.0
    drifted: bool = False
    asked: int = 0
    failed: int = 0
    right: list[tuple[float, bool, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        x, y = _shuffled()
        self._x, self._y = x[KNOWN:], y[KNOWN:]
        self._rng = np.random.default_rng(1)
        self._labels: deque[tuple[float, str, str]] = deque()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> World:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def accuracy(self) -> float:
        """Return the share of right answers among the last 100."""
        last = self.right[-ROLLING:]
        return sum(right for _, right, _ in last) / max(1, len(last))

    def _run(self) -> None:
        with httpx.Client(base_url=self.url, timeout=10) as client:
            due = time.monotonic()
            while not self._stop.wait(max(0.0, due - time.monotonic())):
                due = max(due + 1 / self.rate, time.monotonic() - 1)
                self._ask(client)
                if self.asked % 20 == 0:
                    self._tell(client)

    def _ask(self, client: httpx.Client) -> None:
        x, label = self._write()
        tensor = {"name": "input", "shape": [1, 8, 8, 1], "datatype": "FP32", "data": x.ravel().tolist()}
        headers = {"x-client-id": f"person-{self._rng.integers(200)}"}
        self.asked += 1
        try:
            answer = client.post(f"/v2/models/{self.model}/infer", json={"inputs": [tensor]}, headers=headers)
            outputs = {output["name"]: output["data"] for output in answer.raise_for_status().json()["outputs"]}
        except httpx.HTTPError:
            self.failed += 1
            return
        version = answer.headers["x-model-version"]
        self.right.append((time.time(), outputs["labels"][0] == str(label), version))
        if self._rng.random() < LABEL_SHARE:
            self._labels.append((time.monotonic() + LABEL_DELAY_S, answer.headers["x-request-id"], str(label)))

    def _write(self) -> tuple[np.ndarray, int]:
        """Return a digit (8, 8, 1) float32 and what it is; after the drift it is turned, noisy, often a 1, 4 or 7."""
        while True:
            index = int(self._rng.integers(len(self._x)))
            if not self.drifted:
                return self._x[index], int(self._y[index])
            if self._y[index] in COMMON or self._rng.random() < 1 / 3:
                break
        turned = rotate(self._x[index], ANGLE, axes=(0, 1), reshape=False, order=1)
        noisy = turned + self._rng.normal(0, NOISE, turned.shape)
        return np.clip(noisy, 0, 16).astype(np.float32), int(self._y[index])

    def _tell(self, client: httpx.Client) -> None:
        due = []
        while self._labels and self._labels[0][0] <= time.monotonic():
            _, name, label = self._labels.popleft()
            due.append({"id": name, "label": label})
        if due:
            try:
                client.post("/v2/feedback", json={"labels": due}).raise_for_status()
            except httpx.HTTPError:
                self.failed += 1
