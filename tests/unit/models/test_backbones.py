import numpy as np
import pytest

from qatflow.backend import keras, start
from qatflow.data.preprocessing import Preprocessing
from qatflow.errors import ModelError, ParamsError
from qatflow.models.backbones import APPLICATIONS, BACKBONES, features, with_new_head
from qatflow.models.store import save_model
from qatflow.params.transfer import TransferParams

layers = keras.layers
SHAPE = (8, 8, 3)
AS_IS = ((1.0,), (0.0,))


def classifier(*head):
    start(0)
    inputs = layers.Input(SHAPE, name="input")
    x = layers.Conv2D(4, 3, activation="relu", name="conv")(inputs)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    for layer in head:
        x = layer(x)
    return keras.Model(inputs, x, name="theirs")


def samples():
    return np.random.default_rng(0).random((5, *SHAPE), np.float32)


@pytest.mark.parametrize(
    "head",
    [
        [],
        [layers.Dense(6, "softmax", name="outputs")],
        [layers.Dropout(0.5), layers.Dense(6, name="logits"), layers.Softmax()],
        [layers.Dense(6, name="logits"), layers.Activation("softmax"), layers.Dropout(0.1)],
    ],
    ids=["none", "softmax", "logits", "activation"],
)
def test_the_head_is_left_out(head):
    model = classifier(*head)

    body = features(model)

    pooled = keras.Model(model.inputs, model.get_layer("pool").output)
    np.testing.assert_array_equal(body(samples()), pooled(samples()))
    assert not [layer for layer in body.layers if isinstance(layer, layers.Dense)]


def test_feature_maps_are_pooled_and_nested_models_flattened():
    inner = keras.Sequential([layers.Input(SHAPE), layers.Conv2D(4, 3, name="conv")], name="inner")
    model = keras.Sequential([layers.Input(SHAPE), inner, layers.ReLU(name="relu")], name="outer")

    body = features(model)

    assert body.output_shape == (None, 4)
    assert not [layer for layer in body.layers if isinstance(layer, keras.Model)]
    np.testing.assert_allclose(body(samples()), model(samples()).numpy().mean(axis=(1, 2)), rtol=1e-6)


def test_features_may_be_cut_at_a_layer():
    body = features(classifier(layers.Dense(6, name="hidden"), layers.Dense(3, name="logits")), "conv")

    assert body.output_shape == (None, 4)
    with pytest.raises(ModelError, match=r"theirs has no layer 'convv'. Its layers: input, conv, pool"):
        features(classifier(), "convv")


def test_a_new_head_fits_the_labels_and_takes_over_the_name():
    body = features(classifier(layers.Dense(6, "relu", name="outputs"), layers.Dense(3, name="last")))

    model = with_new_head(body, SHAPE, 4, "classification")

    assert model.output_shape == (None, 4)
    assert [layer.name for layer in model.layers][-2:] == ["backbone_outputs", "outputs"]
    np.testing.assert_allclose(model(samples()).numpy().sum(axis=1), 1, rtol=1e-6)
    assert with_new_head(body, SHAPE, 2, "regression").layers[-1].get_config()["activation"] == "linear"


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((9, 9, 3), r"takes samples of shape \(8, 8, 3\), the data have \(9, 9, 3\); data.image_size \[8, 8\]"),
        ((8, 8, 1), "it was trained on images of 3 channels, these have 1"),
        ((64,), r"takes samples of shape \(8, 8, 3\), the data have \(64,\)$"),
    ],
)
def test_a_backbone_of_other_samples_is_refused(shape, message):
    with pytest.raises(ModelError, match=message):
        with_new_head(features(classifier()), shape, 4, "classification")


def test_an_anomaly_detector_needs_a_model_that_reconstructs():
    with pytest.raises(ModelError, match="cannot reconstruct its input"):
        with_new_head(features(classifier()), SHAPE, 4, "anomaly")


def test_several_inputs_are_refused():
    inputs = [layers.Input(SHAPE), layers.Input(SHAPE)]
    with pytest.raises(ModelError, match="has 2 inputs and 1 outputs"):
        features(keras.Model(inputs, layers.Add()(inputs)))


@pytest.mark.parametrize("name", ["model.keras", "model.h5", "pretrain"])
def test_a_file_or_a_stages_folder_is_loaded(tmp_path, name):
    model, path = classifier(layers.Dense(6)), tmp_path / name
    if path.suffix:
        model.save(path)
    else:
        path.mkdir()
        save_model(model, path)

    loaded = BACKBONES["file"](TransferParams(source="file", path=str(path)), SHAPE, AS_IS)

    np.testing.assert_array_equal(loaded(samples()), model(samples()))


def application(tmp_path, preprocessing, model="MobileNet"):
    """Return keras.applications' own model, and ours with the same weights from a local file."""
    start(0)
    theirs = keras.applications.MobileNet((32, 32, 3), alpha=0.25, include_top=False, weights=None)
    theirs.save_weights(tmp_path / "weights.h5")
    params = TransferParams(source="applications", model=model, width=0.25, path=str(tmp_path / "weights.h5"))
    return theirs, BACKBONES["applications"](params, (32, 32, 3), (preprocessing.scale, preprocessing.offset))


@pytest.mark.slow
@pytest.mark.parametrize(
    "preprocessing", [Preprocessing((1 / 255,), (0.0,)), Preprocessing((0.02, 0.03, 0.01), (-1.0, 0.5, 2.0))]
)
def test_an_application_sees_the_pixels_that_it_was_trained_on(tmp_path, preprocessing):
    theirs, ours = application(tmp_path, preprocessing)
    pixels = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3)).astype(np.float32)

    expected = theirs(keras.applications.mobilenet.preprocess_input(pixels.copy()))

    found = features(ours)(preprocessing.apply(pixels))
    np.testing.assert_allclose(found, expected.numpy().mean(axis=(1, 2)), atol=1e-4)


@pytest.mark.slow
def test_weights_of_another_application_are_refused(tmp_path):
    with pytest.raises(ModelError, match=r"Cannot load MobileNetV2 with weights .*weights.h5 for samples of shape"):
        application(tmp_path, Preprocessing(*AS_IS), model="MobileNetV2")


def test_an_unknown_application_names_the_nearest():
    with pytest.raises(ParamsError, match="Did you mean 'MobileNetV2'"):
        BACKBONES["applications"](TransferParams(source="applications", model="MobilNetV2"), SHAPE, AS_IS)


def test_every_application_exists():
    assert all(callable(getattr(keras.applications, name)) for name in APPLICATIONS)
