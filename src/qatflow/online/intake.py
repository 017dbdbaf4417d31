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
from qatflow.online.newcomers import Newcomers
from qatflow.online.records import Label, decode
from qatflow.params.online import OnlineParams


class Intake:
    """What stands between the stream and the learner.

    Args:
        join: Samples that wait for labels.
        shape: Of one sample in the data's own units.
        names: Of the classes; a label is a name, or the index of one of these.
        preprocessing: From the data's own units to model inputs.
        newcomers: Samples of labels that are no class yet; None if there are to be no further classes.

    Attributes:
        names: Of the classes, with those that came in the stream behind.
        poison: Records that could not be used.
    """

    def __init__(
        self,
        join: Join,
        shape: tuple[int, ...],
        names: tuple[str, ...],
        preprocessing: Preprocessing,
        newcomers: Newcomers | None = None,
    ) -> None:
        self._join, self._shape, self._preprocessing = join, shape, preprocessing
        self._numbered, self._newcomers = len(names), newcomers
        self._ready: deque[tuple[Array, int]] = deque()
        self.poison = 0
        self._name(names)

    @classmethod
    def of(cls, data: PreparedData, settings: OnlineParams, names: tuple[str, ...]) -> Intake:
        """Return the intake of a prepared data set; `names` has the classes of the data, perhaps more behind them."""
        shape, top = data.train.x_shape, settings.max_classes
        made = cls(
            Join(shape, settings.label_window),
            shape,
            data.class_names,
            data.preprocessing,
            None if top is None else Newcomers(top, settings.new_class_samples, shape),
        )
        made._name(names)
        return made

    @property
    def counts(self) -> dict[str, int]:
        """What became of the records; see `Join.counts`."""
        waiting = self._join.waiting + (self._newcomers.waiting if self._newcomers else 0)
        forgotten = {"forgotten": self._newcomers.forgotten} if self._newcomers else {}
        return {**self._join.counts, **forgotten, "poison": self.poison, "waiting": waiting}

    def take(self, payload: bytes) -> str | None:
        """Take the next payload; return why it cannot be used, None if it can.

        Raises:
            OtherSchemaError: If the whole stream is not for this program.
        """
        try:
            record = decode(payload, self._shape)
            if record.label is not None:
                self._class_of(record.label)
            joined = self._join.take(record)
            if joined is not None:
                self._label(joined.x, self._class_of(joined.label))
        except PoisonError as error:
            self.poison += 1
            return str(error)
        return None

    def _label(self, x: Array, label: int | str) -> None:
        """Let a sample wait for its batch; or for others of its new class, and then all of them for their batches."""
        if isinstance(label, int):
            self._ready.append((x, label))
        elif self._newcomers is not None and (grown := self._newcomers.take(label, x, len(self.names))) is not None:
            self._name((*self.names, label))
            self._ready.extend((one, len(self.names) - 1) for one in grown)

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
        return {**self._join.arrays(), "ready": held, **(self._newcomers.arrays() if self._newcomers else {})}

    def state(self) -> dict[str, Any]:
        """Return the rest of its state, as JSON."""
        labels = [label for _, label in self._ready]
        newcomers = self._newcomers.state() if self._newcomers else None
        own = {"names": list(self.names), "labels": labels, "poison": self.poison}
        return {"join": self._join.state(), "newcomers": newcomers, **own}

    def restore(self, arrays: Mapping[str, Array], state: Mapping[str, Any]) -> None:
        """Go on from what `arrays` and `state` returned."""
        self._join.restore({"x": arrays["x"]}, state["join"])
        self._ready = deque(zip(arrays["ready"], state["labels"], strict=True))
        self.poison = int(state["poison"])
        self._name(tuple(state["names"]))
        if self._newcomers is not None and state["newcomers"] is not None:
            self._newcomers.restore(arrays, state["newcomers"])

    def _name(self, names: tuple[str, ...]) -> None:
        self.names = names
        self._classes = {name: index for index, name in enumerate(names)}

    def _class_of(self, label: Label) -> int | str:
        """Return the index of a label's class, or the name of one that may come to be."""
        if isinstance(label, int) and 0 <= label < self._numbered:
            return label
        name = str(label) if isinstance(label, str) or (isinstance(label, int) and label >= 0) else ""
        if name in self._classes:
            return self._classes[name]
        if self._newcomers is not None and name and name.isprintable() and len(self.names) < self._newcomers.top:
            return name
        raise PoisonError(f"its label {str(label)[:60]!r} is none of the model's {len(self._classes)} classes")
