"""Strategies that leave quantization to TFLite's converter, without training."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from qatflow.artifacts import Array
from qatflow.backend import keras
from qatflow.models.unroll import loops
from qatflow.quantization.base import History, Trained, Work
from qatflow.quantization.calibration import LEAST
from qatflow.quantization.canonical import INPUT_GRID, canonical, check_finite
from qatflow.quantization.correction.equalization import equalize
from qatflow.quantization.deployed import Deployable, bias_corrected, float_kept
from qatflow.quantization.emit import require_finite
from qatflow.quantization.fake_quant import Grids, build, own_outputs
from qatflow.quantization.overrides import FLOAT, floats_of, require_width
from qatflow.quantization.plan import Own, Plan, plan_outputs
from qatflow.quantization.spikes import calibrated

INT8 = 8


@dataclass(frozen=True)
class PostTraining:
    """Gives the float model to the converter.

    Attributes:
        converter: Makes the flatbuffer from a float model and representative samples.
        bits: Of activations, 8 or 16; 0 if they are floats. Integer ones have ranges, which are cut where rare values
            stretch them; weights can be equalized before and biases corrected after, where the parameters say so.
        weights: Bits of their numbers, 8; 16 and 32 if these are floats.
    """

    converter: Callable[[keras.Model, Iterable[Array]], bytes]
    bits: int = 0
    weights: int = INT8
    trained: bool = False
    compressions: tuple[str, ...] = ()

    def compress(self, model: keras.Model, work: Work) -> tuple[keras.Model, History]:  # noqa: ARG002
        """Return the model itself."""
        return model, []

    def prepare(self, model: keras.Model, work: Work) -> Deployable:
        """Return the model without fake-quants; see `Strategy`."""
        check_finite(model)
        require_width(work.label, work.layers, self.weights)
        floats = self._floats(model, work)
        if floats:
            model = canonical(model)
        if not self.bits:
            return Deployable(model, floats=floats)
        wanted = work.settings.corrections
        equal = equalize(canonical(model)) if wanted.equalize else model
        reach = work.surveyed(model, self.bits)
        prepared = Deployable(equal, reference=equal if wanted.bias else None, reach=reach, floats=floats)
        return prepared if self.bits > INT8 or loops(model) else _without_spikes(prepared, work)

    def train(self, prepared: Deployable, model: keras.Model, work: Work) -> Trained:  # noqa: ARG002
        """Return what `prepare` returned."""
        return Trained(prepared, [])

    def convert(self, quantized: Deployable, representative: Iterable[Array]) -> bytes:
        """Return the flatbuffer; see `Strategy`."""
        samples = quantized.reach.clip(representative)
        flatbuffer = float_kept(self.converter(_with_ranges(quantized), samples), quantized)
        if self.bits:
            require_finite(flatbuffer)
        return bias_corrected(flatbuffer, quantized, samples)

    def _floats(self, model: keras.Model, work: Work) -> frozenset[str]:
        """Return the layers that stay float, by their names in the canonical model; none where all are."""
        if self.weights > INT8 or FLOAT not in work.layers.values():
            return frozenset()
        return floats_of(canonical(model), work.layers)


def _without_spikes(prepared: Deployable, work: Work) -> Deployable:
    """Return the model, in the form that has ranges of its own if one has to be other than seen, and what was found.

    The converter gives a tensor that is 0 throughout a step near 0, and XNNPACK refuses the operators that read it.
    """
    flat = canonical(prepared.model)
    names = own_outputs(Plan({}, plan_outputs(flat)))
    found, reach = calibrated(flat, names, replace(work, reach=prepared.reach), "min_max")
    dead = {name: span for name, span in found.items() if name != INPUT_GRID and span[1] - span[0] <= LEAST}
    reach = replace(reach, inner=dead | dict(reach.inner))
    return replace(prepared, model=flat if reach.inner else prepared.model, reach=reach)


def _with_ranges(quantized: Deployable) -> keras.Model:
    """Return the model with fake-quants where ranges were cut: the converter takes theirs, and observes all others."""
    inner = quantized.reach.inner
    if not inner:
        return quantized.model
    return build(quantized.model, Plan({}, dict.fromkeys(inner, Own())), Grids({}, inner))
