"""Keeps a trained fake-quant model between stages: its variables only; its structure is the float model's."""

from pathlib import Path

from qatflow.artifacts import load_arrays, save_arrays
from qatflow.backend import keras
from qatflow.errors import ArtifactError, ModelError
from qatflow.models.weights import assign, named
from qatflow.quantization.base import Strategy


def save_quantized(model: keras.Model, directory: Path) -> None:
    """Write weights.npz: every variable, ranges included, under its name and in the model's order."""
    save_arrays(directory / "weights.npz", named(model.weights))


def load_quantized(strategy: Strategy, float_model: keras.Model, directory: Path) -> keras.Model:
    """Prepare the float model once more and give it the variables that `save_quantized` wrote; outputs are bit-equal.

    Raises:
        ArtifactError: If the file is missing, or belongs to another model or strategy.
        ModelError: See `Strategy.prepare`.
    """
    model = strategy.prepare(float_model)
    try:
        assign(model.weights, load_arrays(directory / "weights.npz"), f"the fake-quant {float_model.name}")
    except ModelError as error:
        raise ArtifactError(f"{directory} was not made from this model and strategy: {error}") from None
    return model
