"""What a compression is."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from qatflow.artifacts import Array
from qatflow.backend import keras
from qatflow.compression.promise import Promise
from qatflow.data.prepared import PreparedData
from qatflow.errors import ParamsError
from qatflow.models.kernels import KERNELS, kernel_of
from qatflow.params.compression import CompressionParams
from qatflow.training.quantization_aware import Rule

Promises = Mapping[str, Promise]


@dataclass(frozen=True)
class Compression:
    """One way to make a model smaller; as it stands, none.

    A strategy that compresses first shrinks the float model, trains it in float, then trains it with fake-quants. What
    the first two reach the third must keep, and the flatbuffer must have: `promises` says what that is.

    Attributes:
        settings: Section `quantize.compression` of params.yaml.
    """

    settings: CompressionParams
    trains_float: ClassVar[bool] = False
    """Whether the float model is then trained: it shrank, or its weights are to become zero meanwhile."""

    def shrink(self, model: keras.Model, data: PreparedData) -> keras.Model:  # noqa: ARG002 (members use it)
        """Return a model with fewer weights that computes nearly the same; the model itself if this removes none.

        Args:
            model: Flat and split, see `models`. It stays as it is.
            data: To judge by what can go.

        Raises:
            ParamsError: If the settings ask for what this model cannot give.
        """
        return model

    def rules(self, kernels: Mapping[str, Any]) -> list[Rule]:  # noqa: ARG002
        """Return what must hold for kernels (layer -> variable) while they train, in float and with fake-quants."""
        return []

    def growth(self, rules: Sequence[Rule], steps: int) -> list[keras.callbacks.Callback]:  # noqa: ARG002
        """Return what drives those rules in the first `settings.growth` of `steps` batches of the float training."""
        return []

    def codes(self, scaled: Array, top: int) -> Array | None:  # noqa: ARG002
        """Return the positive levels that weights may have besides 0, (m,) float32 in steps; None for all.

        Args:
            scaled: A kernel's weights over their steps, any shape.
            top: The grid's highest level.
        """
        return None

    def even_levels(self, top: int) -> int | None:  # noqa: ARG002
        """Return how many levels of either sign weights may have, at even distances that are fitted; None for `codes`.

        Args:
            top: The grid's highest level.
        """
        return None

    def promises(self, model: keras.Model) -> Promises:  # noqa: ARG002
        """Return what the flatbuffer of a compressed, canonical model must show, by layer."""
        return {}


def counted(layers: Iterable[Any]) -> Promises:
    """Return the promise that layers have no more weights than they have now."""
    return {layer.name: Promise(weights=kernel_of(layer).shape.num_elements()) for layer in layers}


def followed(model: keras.Model) -> list[Any]:
    """Return the layers of a flat model whose weights are pruned and clustered.

    Raises:
        ParamsError: If one is called several times: the converter forgets its name, and nobody could tell whether its
            weights kept what they were given.
    """
    found = [layer for layer in model.layers if compressible(layer)]
    for layer in found:
        if len(layer.inbound_nodes) > 1:
            raise ParamsError(
                f"layer '{layer.name}' is called {len(layer.inbound_nodes)} times, so that its weights cannot be "
                "followed into the flatbuffer; give each call its own layer, or take a strategy that does not prune "
                "or cluster"
            )
    return found


def compressible(layer: Any) -> bool:
    """Tell whether a layer's weights are pruned and clustered: not depthwise ones, which are a few a channel."""
    return type(layer) in KERNELS and not isinstance(layer, keras.layers.DepthwiseConv2D)
