"""Layouts against the published ones, and inputs or tasks that an architecture does not take."""

import pytest

from qatflow.errors import ModelError, ParamsError
from qatflow.models import ARCHITECTURES, build
from qatflow.params.model import ModelParams


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "shape", "outputs", "task", "published"),
    [
        # Keras Applications, 1000 classes.
        ("mobilenet_v1", (224, 224, 3), 1000, "classification", 4_253_864),
        ("mobilenet_v2", (224, 224, 3), 1000, "classification", 3_538_984),
        # mlcommons/tiny, less the biases that batch normalization behind them makes useless.
        ("resnet8", (32, 32, 3), 10, "classification", 78_666 - (16 + 2 * 16 + 2 * 32 + 2 * 64)),
        ("ds_cnn", (49, 10, 1), 12, "classification", 24_908 - (64 + 4 * 2 * 64)),
        # mlcommons/tiny, less its batch normalization.
        ("autoencoder", (640,), 640, "anomaly", 269_992 - 4 * (8 * 128 + 8)),
    ],
)
def test_has_the_published_number_of_parameters(name, shape, outputs, task, published):
    assert ARCHITECTURES[name](shape, outputs, 1.0, task).count_params() == published


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "shape", "last_map"),
    [
        ("small_cnn", (8, 8, 1), (2, 2)),
        ("small_cnn", (96, 96, 3), (24, 24)),
        ("resnet8", (32, 32, 3), (8, 8)),
        ("ds_cnn", (49, 10, 1), (25, 5)),
        ("ds_cnn", (3, 3, 1), (3, 3)),
        ("mobilenet_v1", (96, 96, 3), (3, 3)),
        ("mobilenet_v1", (8, 8, 1), (2, 2)),
        ("mobilenet_v2", (8, 8, 1), (2, 2)),
        ("mobilenet_v2", (1, 1, 1), (1, 1)),
    ],
)
def test_feature_map_shrinks_but_does_not_vanish(name, shape, last_map):
    model = ARCHITECTURES[name](shape, 2, 0.25, "classification")

    assert model.get_layer("pool").input_shape[1:3] == last_map


@pytest.mark.parametrize("name", ["small_cnn", "resnet8", "ds_cnn", "mobilenet_v1", "mobilenet_v2"])
def test_image_models_refuse_other_ranks(name):
    with pytest.raises(
        ModelError, match=rf"{name} takes samples of shape \(height, width, channels\).*\(5,\), which suits.*mlp"
    ):
        ARCHITECTURES[name]((5,), 2, 1.0, "classification")


def test_conv1d_refuses_images():
    with pytest.raises(ModelError, match=r"conv1d takes samples of shape \(time, channels\) or \(time,\)"):
        ARCHITECTURES["conv1d"]((8, 8, 1), 2, 1.0, "classification")


@pytest.mark.parametrize("name", ["mlp", "small_cnn"])
def test_classifiers_refuse_anomaly_detection(name):
    with pytest.raises(ModelError, match=r"use model\.name autoencoder"):
        ARCHITECTURES[name]((8, 8, 1), 64, 1.0, "anomaly")


def test_autoencoder_refuses_classification():
    with pytest.raises(ModelError, match=r"suits data\.task anomaly, not classification"):
        ARCHITECTURES["autoencoder"]((8,), 3, 1.0, "classification")


def test_build_reads_name_and_width():
    model = build(ModelParams(name="mlp", width=0.5), (4,), 3, "regression")

    assert [layer.units for layer in model.layers if hasattr(layer, "units")] == [64, 32, 3]


def test_build_names_the_nearest_of_an_unknown_name():
    with pytest.raises(ParamsError, match="Did you mean 'resnet8'"):
        build(ModelParams(name="resnet"), (8, 8, 1), 3, "classification")
