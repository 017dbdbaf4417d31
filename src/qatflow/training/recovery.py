"""Lets a training that was killed go on from its last whole epoch, and end with the weights of an undisturbed one."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from qatflow import artifacts
from qatflow.artifacts import Array
from qatflow.backend import keras
from qatflow.errors import ArtifactError
from qatflow.training.distributed.group import group

KEPT = 2
History = list[dict[str, float]]
_folders: list[Path | None] = [None]


@contextmanager
def recoverable(folder: Path) -> Iterator[None]:
    """Let each training inside the block keep checkpoints below `folder`, and begin with the newest it finds there.

    The folder's name must change with everything that the training depends on: code, data, parameters, first weights.
    """
    _folders.append(folder)
    try:
        yield
    finally:
        _folders.pop()


@runtime_checkable
class Resumable(Protocol):
    """A callback with a state of its own."""

    def state(self) -> dict[str, Array]:
        """Return the state at the end of an epoch."""

    def restore(self, state: Mapping[str, Array]) -> None:
        """Go on from what `state` returned; comes after `on_train_begin`."""


class Recovery(keras.callbacks.Callback):
    """Keeps a checkpoint at the end of each epoch; stands last in the list of callbacks.

    It holds the weights, all of the optimizer, the states of the other callbacks, and the history. Models with random
    layers get a new seed and a new graph each epoch, since the state of TensorFlow's random operators cannot be kept.

    Args:
        label: Which training it is, among those of one stage.
        callbacks: The others.
        seed: Of random layers.

    Attributes:
        history: What earlier processes logged, an entry an epoch.
    """

    def __init__(self, label: str, callbacks: Sequence[Any], seed: int) -> None:
        super().__init__()
        folder = _folders[-1]
        self._folder = folder and folder / re.sub(r"\W+", "-", label)
        self._resumable = [callback for callback in callbacks if isinstance(callback, Resumable)]
        self._seed = seed
        self._found = _newest(self._folder) if self._folder else None
        self.history: History = json.loads((self._found / "history.json").read_text()) if self._found else []

    @property
    def first_epoch(self) -> int:
        """Epochs that are done."""
        return len(self.history)

    def on_train_begin(self, logs: Any = None) -> None:  # noqa: ARG002 (Keras' name)
        """Go on from the checkpoint."""
        if self._found is None:
            return
        arrays = artifacts.load_arrays(self._found / "state.npz")
        for name, variable in variables_of(self.model).items():
            variable.assign(arrays[name])
        for index, callback in enumerate(self._resumable):
            callback.restore(_below(f"callback{index}/", arrays))

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
        """Give random layers the seed of the epoch."""
        if self._folder and has_random_layers(self.model):
            keras.utils.set_random_seed((self._seed * 1_000_003 + epoch) % 2**31)
            self.model.train_function = self.model.make_train_function(force=True)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Write a checkpoint, and remove older ones."""
        self.history.append({"epoch": float(epoch + 1)} | {name: float(value) for name, value in (logs or {}).items()})
        if self._folder is None:
            return
        arrays = {name: variable.numpy() for name, variable in variables_of(self.model).items()}
        for index, callback in enumerate(self._resumable):
            arrays |= {f"callback{index}/{name}": value for name, value in callback.state().items()}
        if group().is_chief:
            _write(self._folder, epoch + 1, arrays, self.history)


def variables_of(model: keras.Model) -> dict[str, Any]:
    """Return all that a compiled model is in training, by names that stay the same: weights and optimizer."""
    named = {f"weight{index}": variable for index, variable in enumerate(model.weights)}
    return named | {f"optimizer{index}": variable for index, variable in enumerate(model.optimizer.variables)}


def has_random_layers(model: keras.Model) -> bool:
    """Say whether what a model does in training depends on drawn numbers."""
    names = [type(getattr(layer, "layer", layer)).__name__ for layer in model.layers]
    return any(word in name for name in names for word in ("Dropout", "Noise", "Random"))


def _below(prefix: str, arrays: Mapping[str, Array]) -> dict[str, Array]:
    return {name.removeprefix(prefix): value for name, value in arrays.items() if name.startswith(prefix)}


def _write(folder: Path, epoch: int, arrays: Mapping[str, Array], history: History) -> None:
    with artifacts.stage_output(folder / f"epoch-{epoch:06d}", "checkpoint") as out:
        artifacts.save_arrays(out / "state.npz", arrays)
        artifacts.write_json(out / "history.json", history)
    for old in sorted(folder.glob("epoch-*"))[:-KEPT]:
        shutil.rmtree(old)


def _newest(folder: Path) -> Path | None:
    """Return the newest checkpoint that is whole."""
    for found in sorted(folder.glob("epoch-*"), reverse=True):
        try:
            artifacts.verify(found)
        except ArtifactError:
            continue
        return found
    return None
