import importlib

import numpy as np
import pytest

from qatflow.backend import keras
from qatflow.models.activations import NEW, renamed

keras3 = importlib.import_module("keras")
X = np.linspace(-5, 5, 101, dtype=np.float32)


@pytest.mark.parametrize(("name", "original"), [("hard_sigmoid_keras3", "hard_sigmoid"), ("hard_swish", "hard_silu")])
def test_computes_what_keras_3_computes(name, original):
    np.testing.assert_allclose(NEW[name](X), getattr(keras3.ops, original)(X), atol=1e-6)


@pytest.mark.parametrize("name", NEW)
def test_survives_a_model_config(name):
    layer = keras.layers.Activation(name, name="a")
    model = keras.Sequential([keras.layers.Input((101,)), layer, keras.layers.Dense(2, activation=name)])

    copy = keras.Sequential.from_config(model.get_config())

    assert copy.layers[0].activation is copy.layers[1].activation is NEW[name]


def test_renames_what_keras_3_changed():
    config = {"layers": [{"activation": "hard_sigmoid", "name": "hard_silu", "recurrent_activation": "hard_silu"}]}

    assert renamed(config, is_keras_3=True) == {
        "layers": [{"activation": "hard_sigmoid_keras3", "name": "hard_silu", "recurrent_activation": "hard_swish"}]
    }
    assert renamed(config, is_keras_3=False)["layers"][0]["activation"] == "hard_sigmoid"
