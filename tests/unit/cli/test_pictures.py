"""Photos are read alike everywhere: by `quantize` and by `infer`."""

import numpy as np
import pytest
from PIL import Image

import qatflow
from qatflow.backend import keras, start
from qatflow.cli.models import _load
from qatflow.errors import DataError
from qatflow.release.bundle import load_bundle
from qatflow.release.quantized import save_bundle
from qatflow.search.options import Options

layers = keras.layers


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Two classes of photos lying on their side: white on top, or at the bottom, once they are turned."""
    root, rng = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    exif = Image.Exif()
    exif[0x0112] = 6
    for name, place in (("top", slice(0, 4)), ("bottom", slice(8, 12))):
        (root / name).mkdir()
        for number in range(20):
            pixels = rng.integers(0, 60, (8, 12, 3), np.uint8)
            pixels[:, place] += 150
            Image.fromarray(pixels).save(root / name / f"{number}.png", exif=exif)
    return root


def sees_the_upper_part():
    """One sigmoid unit that tells whether the first rows of 12 x 8 pixels are bright: class 1 is `top`."""
    start(0)
    last = layers.Dense(1, activation="sigmoid")
    model = keras.Sequential([layers.InputLayer((12, 8, 3)), layers.Flatten(), last])
    kernel = np.zeros((12, 8, 3, 1), np.float32)
    kernel[:4], kernel[8:] = 1e-3, -1e-3
    last.set_weights([kernel.reshape(-1, 1), np.zeros(1)])
    return model


def test_quantize_says_how_many_photos_were_turned_and_infer_turns_them_too(photos, tmp_path):
    result = qatflow.quantize(sees_the_upper_part(), str(photos), "ptq_w8a8")
    bundle = load_bundle(save_bundle(result, tmp_path / "bundle"))

    assert result.to_dict()["tflite_accuracy"] == 1.0
    assert "40 photos were turned upright" in "".join(result.to_dict()["notes"])
    assert result.data.card.pictures.turned == 40
    path = photos / "top" / "0.png"
    turned, kept = (_load(path, bundle.manifest, turn=turn) for turn in (True, False))
    assert turned.shape == kept.shape == (1, 12, 8, 3)
    assert turned[0, :4].min() >= 150 > turned[0, 4:].max()
    assert kept[0, :, -1].max() < 150


def test_photos_are_kept_as_they_are_stored_where_that_is_asked(photos):
    result = qatflow.quantize(sees_the_upper_part(), str(photos), "ptq_w8a8", options=Options(exif="keep"))

    assert result.data.card.pictures.turned == 0


def test_a_model_of_no_pictures_refuses_one(photos):
    shapeless = type("M", (), {"features": (), "input": type("T", (), {"shape": (6,)})})

    with pytest.raises(DataError, match="and no pictures"):
        _load(photos / "top" / "0.png", shapeless, turn=True)
