"""Statistics of batch normalization that fit the weights as they are.

Moving averages lag behind weights that jump between levels of a coarse grid, even at the end of a training, which costs
accuracy at few bits or few values (Nagel et al., "Overcoming Oscillations in Quantization-Aware Training", 2022,
section 3.3). What an epoch is worth shows only with statistics of its own.
"""

from qatflow.backend import keras
from qatflow.quantization.base import Work


def reestimate(model: keras.Model, work: Work) -> None:
    """Set the statistics of batch normalization to their means over some training batches, in training mode.

    They are the first batches of the first epoch, without augmentation, so that it repeats itself.
    """
    settings = work.settings.training
    inner = [getattr(layer, "layer", layer) for layer in model.layers]
    norms = [layer for layer in inner if isinstance(layer, keras.layers.BatchNormalization)]
    before = [norm.momentum for norm in norms]
    batches = work.data.train.batches(settings.batch_size, work.seed)
    for count, (x, _) in zip(range(settings.reestimate_batches if norms else 0), batches, strict=False):
        for norm in norms:
            norm.momentum = count / (count + 1)
        model(x, training=True)
    for norm, momentum in zip(norms, before, strict=True):
        norm.momentum = momentum


class Reestimate(keras.callbacks.Callback):
    """Re-estimates before each epoch is validated, so that the epochs are compared, and kept, with fitting statistics.

    Training itself normalizes by the batch, so that it does not notice. Stands behind what changes weights for the
    validation, see `training.averaging`.

    Args:
        work: Data and settings.
    """

    def __init__(self, work: Work) -> None:
        super().__init__()
        self._work = work

    def on_test_begin(self, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002 (Keras' name)
        """Set the statistics."""
        reestimate(self.model, self._work)
