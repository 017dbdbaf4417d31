"""Watches, while a fake-quant model trains, whether the flatbuffer that it would become still computes the same."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from qatflow.artifacts import Array
from qatflow.backend import keras
from qatflow.evaluation.agreement import agreement, lsb_histogram
from qatflow.evaluation.metrics import judged
from qatflow.quantization.base import Work
from qatflow.quantization.correction.graph import copied
from qatflow.quantization.deployed import Deployable, device_form, folded, on_converters_grid
from qatflow.quantization.fake_quant import Grids, grids_of, weights_of, wrappers
from qatflow.quantization.grid import levels
from qatflow.tflite.runtime import Runner


@dataclass(frozen=True, eq=False)
class Parity:
    """How far a flatbuffer computes what its fake-quant model computes.

    Attributes:
        agreement: See `evaluation.agreement.agreement`.
        histogram: Flatbuffer minus fake-quant model in steps of the output, see `lsb_histogram`; empty for a float
            output, which has no step.
    """

    agreement: float
    histogram: dict[str, int]

    def figures(self) -> dict[str, float]:
        """Return the agreement, and the shares of output values that differ by 0, by 1, and by 2 or more steps."""
        total = sum(self.histogram.values()) or 1
        equal, one = (sum(self.histogram.get(key, 0) for key in keys) / total for keys in (("0",), ("-1", "1")))
        steps = {"parity_lsb_0": equal, "parity_lsb_1": one, "parity_lsb_2_up": max(0.0, 1.0 - equal - one)}
        return {"parity_agreement": self.agreement} | (steps if self.histogram else {})


def measure_parity(flatbuffer: bytes, model: keras.Model, x: Array, task: str) -> Parity:
    """Compare a flatbuffer with its fake-quant model on samples (n, *shape) float32.

    Raises:
        ConversionError: If LiteRT cannot run the flatbuffer.
    """
    runner = Runner(flatbuffer)
    outputs, expected = runner.predict(x), model.predict(x, verbose=0)
    expected = expected.reshape(outputs.shape)
    steps = lsb_histogram(outputs, expected, runner.output.scale) if runner.output.scale else {}
    return Parity(agreement(task, judged(task, x, expected), judged(task, x, outputs)), steps)


class ParityMonitor(keras.callbacks.Callback):
    """Converts the network at the end of each epoch as it is then, and adds `Parity.figures` to the epoch's logs.

    It works on copies: weights, grids and whatever else trains come out as they would without it.

    Args:
        network: Fake-quant model in training.
        prepared: What it was built from.
        converter: Makes the flatbuffer from a folded model and representative samples.
        work: Its first `training.parity_samples` validation samples are compared.

    Attributes:
        epochs: What was measured, an entry an epoch.
    """

    def __init__(
        self,
        network: keras.Model,
        prepared: Deployable,
        converter: Callable[[Deployable, Iterable[Array]], bytes],
        work: Work,
    ) -> None:
        super().__init__()
        self._network, self._prepared, self._converter, self._work = network, prepared, converter, work
        self.epochs: list[Parity] = []

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002 (Keras' names)
        """Convert, compare and log.

        Raises:
            ConversionError: If the network cannot be converted as it is now.
        """
        now = on_converters_grid(folded(present(self._network, self._prepared)))
        flatbuffer = self._converter(now, self._work.calibration())
        x, _ = self._work.data.val.arrays(limit=self._work.settings.training.parity_samples)
        self.epochs.append(measure_parity(flatbuffer, device_form(now), x, self._work.data.task))
        if logs is not None:
            logs |= self.epochs[-1].figures()


def present(network: keras.Model, prepared: Deployable) -> Deployable:
    """Return a fake-quant model in training as it would deploy now.

    Widths that are still coming down count as arrived: a layer keeps its range, and its step grows by as much as its
    levels shrink, as in `progressive.Descend`.

    Args:
        network: Built from `prepared`; stays as it is, and so does `prepared`.
        prepared: Gives the architecture and the plan.
    """
    model = copied(prepared.model)
    weights_of(network, model)
    grids = grids_of(network, prepared.plan)
    steps = {
        name: grids.steps[name] * _still_to_come(network, name, bits) for name, bits in prepared.plan.weights.items()
    }
    return replace(prepared, model=model, grids=Grids(steps, grids.ranges))


def _still_to_come(network: keras.Model, name: str, bits: int) -> float:
    """Return the levels that a layer has now over those that it will have; 1 unless its width is coming down."""
    top = wrappers(network)[name].quantize_config.weights.variables["top"]
    return float(top.numpy()) / levels(bits)
