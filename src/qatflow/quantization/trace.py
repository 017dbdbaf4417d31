"""Records how grids and stored integers move while a fake-quant model trains. It changes nothing.

Weights that keep jumping between two integers cost accuracy (Nagel et al., "Overcoming Oscillations in
Quantization-Aware Training", 2022): the shares that the record holds show whether a training still does that.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from qatflow.artifacts import Array
from qatflow.backend import keras
from qatflow.quantization.fake_quant import quantized_kernels, wrappers
from qatflow.quantization.quantizers import RangeQuantizer, WeightQuantizer

Integers = npt.NDArray[np.int32]


class Trace(keras.callbacks.Callback):
    """Looks at each layer with quantizers before the first epoch and after every epoch.

    Args:
        network: The fake-quant model that trains.
    """

    def __init__(self, network: keras.Model) -> None:
        super().__init__()
        self._weights = {name: _Weights(*pair) for name, pair in quantized_kernels(network).items()}
        self._ranges = {
            name: _Range(wrapper.quantize_config.output)
            for name, wrapper in wrappers(network).items()
            if isinstance(wrapper.quantize_config.output, RangeQuantizer)
        }

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002 (Keras' name)
        """Remember where everything starts."""
        self._look()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002
        """Compare with the epoch before."""
        self._look()

    def record(self) -> dict[str, Any]:
        """Return `{"layers": {name: …}}`, JSON-like; a list holds an entry for the start and one for each epoch.

        Of a layer's output: `low` and `high`, the range. Of its weights: `bits`; `step`, the mean of the steps; and,
        without an entry for the start, `moved`, the share of weights whose integer differs from the epoch before, and
        `turned`, the share whose integer moved, and the other way than when it last moved.
        """
        names = list(dict.fromkeys([*self._weights, *self._ranges]))
        parts = {name: (self._weights.get(name), self._ranges.get(name)) for name in names}
        return {"layers": {name: _merged(*found) for name, found in parts.items()}}

    def state(self) -> dict[str, Array]:
        """Return all that was recorded, and what the next epoch is compared with; see `recovery.Resumable`."""
        return {
            f"{index}/{name}": np.asarray(value)
            for index, part in enumerate(self._parts())
            for name, value in part.recorded().items()
        }

    def restore(self, state: Mapping[str, Array]) -> None:
        """Go on from a state."""
        for index, part in enumerate(self._parts()):
            part.go_on({name: state[f"{index}/{name}"] for name in part.recorded()})

    def _parts(self) -> list["_Weights | _Range"]:
        return [*self._weights.values(), *self._ranges.values()]

    def _look(self) -> None:
        for part in self._parts():
            part.look()


@dataclass(eq=False)
class _Range:
    quantizer: RangeQuantizer
    low: list[float] = field(default_factory=list)
    high: list[float] = field(default_factory=list)

    def look(self) -> None:
        low, high = self.quantizer.present_range()
        self.low.append(low)
        self.high.append(high)

    def record(self) -> dict[str, Any]:
        return {"low": self.low, "high": self.high}

    def recorded(self) -> dict[str, Any]:
        return self.record()

    def go_on(self, state: Mapping[str, Array]) -> None:
        self.low, self.high = state["low"].tolist(), state["high"].tolist()


@dataclass(eq=False)
class _Weights:
    kernel: Any
    quantizer: WeightQuantizer
    step: list[float] = field(default_factory=list)
    moved: list[float] = field(default_factory=list)
    turned: list[float] = field(default_factory=list)
    last: Integers | None = None
    direction: Integers | None = None

    def look(self) -> None:
        self.step.append(float(np.mean(self.quantizer.present_steps())))
        q = integers(self.kernel.numpy(), np.asarray(self.quantizer.step_of(self.kernel)), self._top())
        if self.last is None or self.direction is None:
            self.last, self.direction = q, np.zeros_like(q)
            return
        now = np.sign(q - self.last)
        self.moved.append(float(np.mean(now != 0)))
        self.turned.append(float(np.mean(now * self.direction < 0)))
        self.last, self.direction = q, np.where(now != 0, now, self.direction)

    def record(self) -> dict[str, Any]:
        bits = 1 + math.ceil(math.log2(self._top() + 1))
        return {"bits": bits, "step": self.step, "moved": self.moved, "turned": self.turned}

    def recorded(self) -> dict[str, Any]:
        lists = {"step": self.step, "moved": self.moved, "turned": self.turned}
        return {**lists, "last": self.last, "direction": self.direction}

    def go_on(self, state: Mapping[str, Array]) -> None:
        self.step, self.moved, self.turned = (state[name].tolist() for name in ("step", "moved", "turned"))
        self.last, self.direction = state["last"].astype(np.int32), state["direction"].astype(np.int32)

    def _top(self) -> float:
        return float(self.quantizer.variables["top"].numpy())


def integers(values: Array, step: Array, top: float) -> Integers:
    """Return q = clip(round(values / step), -top, top), int32 in the shape of `values`."""
    return np.asarray(np.clip(np.rint(values / step), -top, top), np.int32)


def _merged(weights: _Weights | None, span: _Range | None) -> dict[str, Any]:
    return {**(weights.record() if weights else {}), **(span.record() if span else {})}
