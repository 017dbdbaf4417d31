"""One sample as a cooperative game: what the model answers when only some players are present."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from qatflow.artifacts import Array
from qatflow.evaluation.metrics import judged
from qatflow.explanation.players import Players
from qatflow.tflite.runtime import Runner

Answer = Callable[[Array], Array]
"""From inputs (n, *shape) float32 to what a task is judged by, (n, outputs) float32."""
CHUNK_BYTES = 1 << 26
"""Masked inputs held at a time."""


@dataclass(frozen=True, eq=False)
class Game:
    """The game of one sample; Štrumbelj and Kononenko, JMLR 11:1, 2010.

    Attributes:
        answer: The model.
        outputs: Which of its outputs are played for.
        x: The sample, (*shape) float32.
        fill: What absent players show, (b, *shape) float32; the worth is the mean over all b.
        players: How the sample is divided.
    """

    answer: Answer
    outputs: Sequence[int]
    x: Array
    fill: Array
    players: Players

    def worth(self, present: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
        """Return the outputs, (n, outputs) float64, for coalitions (n, players)."""
        size = max(1, CHUNK_BYTES // self.fill.nbytes)
        parts = [self._worth(present[start : start + size]) for start in range(0, len(present), size)]
        return np.concatenate(parts)

    def only(self, column: int) -> Game:
        """Return the game for one of the outputs."""
        return replace(self, outputs=[self.outputs[column]])

    def moving(self) -> npt.NDArray[np.bool_]:
        """Return which players can matter, (players,): those that look otherwise when absent."""
        return self.players.sums((self.fill != self.x).any(axis=0)) > 0

    def _worth(self, present: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
        inputs = np.where(present[:, None][..., self.players.owner], self.x, self.fill)
        answers = self.answer(inputs.reshape(-1, *self.x.shape))
        return np.asarray(answers[:, list(self.outputs)].reshape(len(present), len(self.fill), -1).mean(1, np.float64))


def answer_of(model: bytes, task: str, *, threads: int = 1, batch_size: int = 64) -> Answer:
    """Return a flatbuffer as an `Answer`; of an autoencoder it is the reconstruction error.

    Raises:
        ConversionError: If LiteRT refuses the flatbuffer, or it has several inputs.
    """
    runner = Runner(model, threads=threads, batch_size=batch_size)
    return lambda x: judged(task, x, runner.predict(x)).reshape(len(x), -1)
