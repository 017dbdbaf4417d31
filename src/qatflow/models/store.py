"""Keeps a float model between stages: architecture.json (its config) and weights.npz."""

from pathlib import Path

from qatflow.artifacts import load_arrays, save_arrays, write_text
from qatflow.backend import keras
from qatflow.errors import ArtifactError, ModelError
from qatflow.models.config import build_from_config, plain_config
from qatflow.models.weights import assign, named, settle


def save_model(model: keras.Model, directory: Path) -> None:
    """Write a model's config and weights; the optimizer is not kept."""
    write_text(directory / "architecture.json", model.to_json(indent=1))
    save_arrays(directory / "weights.npz", named(model.weights))


def load_model(directory: Path) -> keras.Model:
    """Load what `save_model` wrote; outputs are bit-equal.

    Raises:
        ArtifactError: If the files are missing or do not hold a model of built-in layers with its weights.
    """
    try:
        config = plain_config((directory / "architecture.json").read_bytes())
        arrays = load_arrays(directory / "weights.npz")
        model = build_from_config(config, sum(array.size for array in arrays.values()))
        assign(model.weights, arrays, "the model")
        settle(model)
    except (OSError, ModelError) as error:
        raise ArtifactError(f"{directory} holds no usable model: {error}") from None
    return model
