"""Trains a new head on a pretrained backbone, then both together at a lower rate."""

import math
from collections.abc import Sequence
from typing import Any

from qatflow.backend import keras
from qatflow.data.prepared import PreparedData
from qatflow.params.training import TrainingParams
from qatflow.params.transfer import TransferParams
from qatflow.progress import Progress, silent
from qatflow.training.fit import fit
from qatflow.training.recovery import History


def fine_tune(
    model: keras.Model, data: PreparedData, transfer: TransferParams, seed: int, progress: Progress = silent
) -> History:
    """Train a model whose last layer is new and whose others are pretrained; every layer ends trainable.

    The first phase trains the head alone, the backbone as it was for inference. The second trains the last `unfreeze`
    of the backbone's layers too, at `learning_rate * backbone_rate`, and ends no worse on the validation split than it
    began (linear probing, then fine-tuning; Kumar et al., "Fine-Tuning can Distort Pretrained Features", 2022).

    Returns:
        As `training.fit.fit`, both phases behind each other.

    Raises:
        ModelError: If the loss became NaN or infinite.
        ParamsError: If there is no such optimizer.
    """
    backbone = model.layers[:-1]
    _freeze(backbone)
    first = _phase(transfer, transfer.head_epochs, 1.0)
    history = fit(model, data, first, seed, "training the new head", progress)
    if transfer.epochs and (trained := unfrozen(backbone, transfer)):
        _freeze(backbone, but=trained)
        second = _phase(transfer, transfer.epochs, transfer.backbone_rate)
        before = model.get_weights()
        more = fit(model, data, second, seed + 1, "training backbone and head", progress)
        if _lowest(more) >= _lowest(history):
            model.set_weights(before)
        history += [row | {"epoch": row["epoch"] + len(history)} for row in more]
    for layer in model.layers:
        layer.trainable = True
    return history


def unfrozen(backbone: Sequence[Any], transfer: TransferParams) -> list[Any]:
    """Return the layers that the second phase trains: the last share of those with weights, by `batch_norm` without
    batch normalization, whose statistics then stay those of the backbone's own data.
    """
    weighted = [layer for layer in backbone if layer.weights]
    last = weighted[len(weighted) - math.ceil(len(weighted) * transfer.unfreeze) :]
    frozen = keras.layers.BatchNormalization if transfer.batch_norm == "freeze" else ()
    return [layer for layer in last if not isinstance(layer, frozen)]


def _freeze(layers: Sequence[Any], but: Sequence[Any] = ()) -> None:
    kept = {id(layer) for layer in but}
    for layer in layers:
        layer.trainable = id(layer) in kept


def _lowest(history: History) -> float:
    return min(row["val_loss"] for row in history)


def _phase(transfer: TransferParams, epochs: int, factor: float) -> TrainingParams:
    shared = {name: getattr(transfer, name) for name in TrainingParams.model_fields}
    return TrainingParams(**shared | {"epochs": epochs, "learning_rate": transfer.learning_rate * factor})
