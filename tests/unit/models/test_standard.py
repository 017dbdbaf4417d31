import numpy as np
import pytest

from qatflow.backend import keras, tf
from qatflow.errors import ModelError
from qatflow.models.standard import standard

layers = keras.layers


def test_operators_become_layers_and_all_else_stays():
    x = layers.Input((6, 4), name="input")
    inner = keras.Sequential([layers.Input((6, 4)), layers.Dense(4, name="d")], name="inner")
    y = tf.nn.relu(2.0 * inner(x) + x)
    model = keras.Model(x, layers.BatchNormalization(name="bn")(y), name="mine")
    rng = np.random.default_rng(0)
    model.set_weights([rng.uniform(0.1, 1, weight.shape) for weight in model.get_weights()])
    x = rng.normal(size=(3, 6, 4)).astype(np.float32)

    copy = standard(model)

    np.testing.assert_allclose(copy(x), model(x), atol=1e-6)
    kinds = [type(layer).__name__ for layer in copy.layers]
    assert kinds == ["InputLayer", "Sequential", "Rescaling", "Add", "Activation", "BatchNormalization"]
    assert [layer.name for layer in copy.layers] == [layer.name for layer in model.layers]


def test_refuses_code():
    model = keras.Sequential([layers.Input((4,)), layers.Lambda(lambda x: x, name="mine")])

    with pytest.raises(ModelError, match="layer 'mine' is a Lambda, which holds code"):
        standard(model)
