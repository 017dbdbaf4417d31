"""Every architecture: shapes, names, one training step, saving and loading, and that tfmot knows its layers."""

from functools import cache
from math import prod

import numpy as np
import pytest

from qatflow.backend import start
from qatflow.errors import ModelError
from qatflow.models import ARCHITECTURES
from qatflow.models.kernels import quantizable
from qatflow.models.store import load_model, save_model
from qatflow.quantization.canonical import canonical

LOSSES = {"classification": "sparse_categorical_crossentropy", "regression": "mse", "anomaly": "mse"}
CASES = [
    ((8, 8, 1), "classification"),
    ((33, 9, 2), "regression"),
    ((16, 3), "classification"),
    ((5,), "regression"),
    ((5,), "anomaly"),
    ((4, 3, 2), "anomaly"),
]


def build(name, shape, task):
    return ARCHITECTURES[name](shape, prod(shape) if task == "anomaly" else 3, 0.25, task)


@cache
def accepted(name):
    """Return what the architecture builds; whatever else it refuses must be refused with a ModelError that names it."""
    models = {}
    for shape, task in CASES:
        try:
            models[shape, task] = build(name, shape, task)
        except ModelError as error:
            assert name in str(error)  # noqa: PT017 (it may refuse any of them)
    return models


@pytest.mark.slow
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_builds_models_of_the_promised_shape_and_type(name):
    models = accepted(name)

    assert models
    for (shape, task), model in models.items():
        assert model.input_shape == (None, *shape)
        assert model.output_shape == (None, *(shape if task == "anomaly" else (3,)))
        x = np.random.default_rng(0).random((2, *shape), np.float32)
        outputs = model(x).numpy()
        assert outputs.dtype == np.float32
        if task == "classification":
            np.testing.assert_allclose(outputs.sum(axis=1), 1, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_names_do_not_depend_on_what_was_built_before(name):
    shape, task = next(iter(accepted(name)))

    first, second = build(name, shape, task), build(name, shape, task)

    assert [layer.name for layer in first.layers] == [layer.name for layer in second.layers]
    assert first.name == second.name


@pytest.mark.slow
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_step_changes_the_weights_and_saving_keeps_them(name, tmp_path):
    start(0)
    shape, task = next(iter(accepted(name)))
    model = build(name, shape, task)
    before = model.get_weights()
    x = np.random.default_rng(0).random((4, *shape), np.float32)
    y = x if task == "anomaly" else np.arange(4) % 3 if task == "classification" else np.ones((4, 3), np.float32)
    model.compile("adam", LOSSES[task], run_eagerly=True)

    loss = model.train_on_batch(x, y)
    save_model(model, tmp_path)
    loaded = load_model(tmp_path)

    assert np.isfinite(loss)
    assert any(np.any(a != b) for a, b in zip(before, model.get_weights(), strict=True))
    np.testing.assert_array_equal(loaded(x), model(x))
    assert [v.name for v in loaded.weights] == [v.name for v in model.weights]


@pytest.mark.slow
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_fake_quants_reach_every_layer_with_weights(name):
    for model in accepted(name).values():
        flat = canonical(model)
        reached = {layer.name for layer in quantizable(flat)}
        assert [layer.name for layer in flat.layers if layer.weights and layer.name not in reached] == []
