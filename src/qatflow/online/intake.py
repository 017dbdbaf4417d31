"""Turns payloads of a stream into batches that can be learned: decoded, joined with their labels, preprocessed."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

import numpy as np

from qatflow.artifacts import Array
from qatflow.data.prepared import PreparedData, Preprocessing
from qatflow.errors import PoisonError
from qatflow.online.join import Join
from qatflow.online.records import Label, decode
from qatflow.params import OnlineParams


class Intake:
    """What stands between the stream and the learner.

    Args:
        join: Samples that wait for labels.
        shape: Of one sample in the data's own units.
        names: Of the classes; a label is a name, or an index as a number.
        preprocessing: From the data's own units to model inputs.

    Attributes:
        poison: Records that could not be used.
    """

    def __init__(
        self, join: Join, shape: tuple[int, ...], names: tuple[str, ...], preprocessing: Preprocessing
    ) -> None:
        self._join, self._shape, self._preprocessing = join, shape, preprocessing
        self._classes = {name: index for index, name in enumerate(names)}
        self._ready: deque[tuple[Array, int]] = deque()
        self.poison = 0

    @classmethod
    def of(cls, data: PreparedData, settings: OnlineParams) -> Intake:
        """Return the intake of a prepared data set."""
        shape = data.train.x_shape
        return cls(Join(shape, settings.label_window), shape, data.class_names, data.preprocessing)

    @property
    def counts(self) -> dict[str, int]:
        """What became of the records; see `Join.counts`."""
        return {**self._join.counts, "poison": self.poison, "waiting": self._join.waiting}

    def take(self, payload: bytes) -> str | None:
        """Take the next payload; return why it cannot be used, None if it can.

        Raises:
            OtherSchemaError: If the whole stream is not for this program.
        """
        try:
            record = decode(payload, self._shape)
            if record.label is not None:
                self._class_of(record.label)
        except PoisonError as error:
            self.poison += 1
            return str(error)
        joined = self._join.take(record)
        if joined is not None:
            self._ready.append((joined.x, self._class_of(joined.label)))
        return None

    def batch(self, size: int) -> tuple[Array, Array] | None:
        """Return the next `size` labelled samples, (size, *input shape) float32 and (size,) int64; None before."""
        if len(self._ready) < size:
            return None
        x, labels = zip(*(self._ready.popleft() for _ in range(size)), strict=True)
        return self._preprocessing.apply(np.stack(x)), np.array(labels, np.int64)

    def arrays(self) -> dict[str, Array]:
        """Return inputs that wait for labels, and those that wait for their batch."""
        ready = [x for x, _ in self._ready]
        held = np.stack(ready) if ready else np.empty((0, *self._shape), np.float32)
        return {**self._join.arrays(), "ready": held}

    def state(self) -> dict[str, Any]:
        """Return the rest of its state, as JSON."""
        return {"join": self._join.state(), "labels": [label for _, label in self._ready], "poison": self.poison}

    def restore(self, arrays: Mapping[str, Array], state: Mapping[str, Any]) -> None:
        """Go on from what `arrays` and `state` returned."""
        self._join.restore({"x": arrays["x"]}, state["join"])
        self._ready = deque(zip(arrays["ready"], state["labels"], strict=True))
        self.poison = int(state["poison"])

    def _class_of(self, label: Label) -> int:
        known = len(self._classes)
        if isinstance(label, str) and label in self._classes:
            return self._classes[label]
        if isinstance(label, int) and 0 <= label < known:
            return label
        raise PoisonError(f"its label {str(label)[:60]!r} is none of the model's {known} classes")
