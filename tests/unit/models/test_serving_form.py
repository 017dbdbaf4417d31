"""What belongs to training is left out of a model file: other floats, augmentation; pictures keep fixed sizes."""

import numpy as np
import pytest

from qatflow.errors import ModelError
from qatflow.models.files import load_model_file
from qatflow.models.serving_form import AUGMENTATIONS, serving_form

SHAPE = (12, 16, 3)
X = (np.random.default_rng(0).random((3, *SHAPE)) * 255).astype(np.float32)
FRONTS = {
    "augmentation": lambda k: [k.RandomFlip("horizontal"), k.RandomRotation(0.1), k.RandomZoom(0.1)],
    "contrast": lambda k: [k.RandomContrast(0.2), k.RandomTranslation(0.1, 0.1)],
    "noise": lambda k: [k.GaussianNoise(0.1), k.AlphaDropout(0.1), k.SpatialDropout2D(0.1), k.ActivityRegularization()],
    "resizing": lambda k: [k.Resizing(9, 7)],
    "aspect": lambda k: [k.Resizing(9, 7, crop_to_aspect_ratio=True)],
    "nearest": lambda k: [k.Resizing(24, 17, interpolation="nearest")],
    "crop": lambda k: [k.CenterCrop(9, 7)],
    "crop of more than there is": lambda k: [k.CenterCrop(20, 7)],
}


def with_front(keras, front, form):
    layers, rest = keras.layers, [keras.layers.Conv2D(2, 3), keras.layers.GlobalAveragePooling2D()]
    if form == "sequential":
        return keras.Sequential([layers.InputLayer(SHAPE), *front, *rest])
    x = keras.Input(SHAPE)
    y = keras.Sequential(front)(x) if form == "nested" else x
    for layer in rest if form == "nested" else [*front, *rest]:
        y = layer(y)
    return keras.Model(x, y)


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("form", ["sequential", "functional", "nested"])
@pytest.mark.parametrize("name", FRONTS)
def test_a_model_of_the_tutorials_computes_what_keras_predicts(keras, name, form, suffix, tmp_path):
    model = with_front(keras, FRONTS[name](keras.layers), form)
    model.save(str(tmp_path / f"model{suffix}"))
    notes = []

    loaded = load_model_file(tmp_path / f"model{suffix}", notes)

    np.testing.assert_allclose(loaded(X), model.predict(X, verbose=0), rtol=1e-4, atol=1e-3)
    kinds = {type(layer).__name__ for layer in loaded.submodules}
    assert not kinds & (AUGMENTATIONS | {"CenterCrop", "AlphaDropout", "ActivityRegularization"})
    assert [("left out" in note) for note in notes] == [True] * (name in {"augmentation", "contrast", "noise"})


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "float16", "bfloat16", "float64"])
def test_other_floats_become_float32_with_a_note(keras, policy, suffix, tmp_path):
    keras.mixed_precision.set_global_policy(policy)
    try:
        layers = keras.layers
        model = keras.Sequential([layers.InputLayer((4,)), layers.Dense(5, activation="relu"), layers.Dense(2)])
        x = np.ones((2, 4), np.float32)
        expected = np.asarray(model(x)).astype(np.float32)
        model.save(str(tmp_path / f"model{suffix}"))
    finally:
        keras.mixed_precision.set_global_policy("float32")
    notes = []

    loaded = load_model_file(tmp_path / f"model{suffix}", notes)

    assert {weight.dtype.name for weight in loaded.weights} == {"float32"}
    np.testing.assert_allclose(loaded(x), expected, rtol=0.05, atol=0.05)
    assert len(notes) == 1
    assert policy in notes[0]


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda k: [k.Resizing(9, 7, interpolation="bicubic")], "by bicubic, for which TFLite has no operator"),
        (lambda k: [k.RandomCrop(9, 7)], "is a RandomCrop.*replace it by CenterCrop or Resizing"),
        (lambda k: [k.Lambda(lambda x: x)], "is a Lambda, which holds code; replace it by built-in layers"),
    ],
)
def test_what_cannot_be_is_refused_with_what_to_do(keras, build, words, tmp_path):
    with_front(keras, build(keras.layers), "sequential").save(str(tmp_path / "model.keras"))

    with pytest.raises(ModelError, match=words):
        load_model_file(tmp_path / "model.keras")


@pytest.mark.parametrize(
    "layer",
    [
        {"class_name": "RandomFlip", "module": "evil", "config": {"name": "a"}},
        {"class_name": "RandomFlip", "module": "keras.layers", "registered_name": "evil>RandomFlip", "config": {}},
    ],
)
def test_only_kerass_own_augmentation_is_left_out(layer):
    notes = []

    assert serving_form(layer, notes) == layer
    assert notes == []


def test_a_model_that_keras_quantized_is_refused():
    policy = {"class_name": "QuantizedDTypePolicy", "config": {"mode": "int8"}}

    with pytest.raises(ModelError, match=r"Keras quantized it \(int8\); save it before model.quantize"):
        serving_form({"class_name": "Dense", "config": {"dtype": policy}}, [])
