import numpy as np
import pytest

from qatflow.errors import ModelError

pytestmark = pytest.mark.slow


def test_what_a_widened_model_says_of_its_classes_stays_and_new_ones_are_never_chosen():
    from qatflow.backend import keras
    from qatflow.models.widen import widened

    layers = keras.layers
    source = layers.Input((4,))
    hidden = layers.Dense(5, activation="relu")(source)
    model = keras.Model(source, layers.Softmax()(layers.Dense(3)(hidden)))
    x = np.random.default_rng(0).random((20, 4), np.float32)
    wide = widened(model, 5).predict(x, verbose=0)
    assert wide.shape == (20, 5)
    np.testing.assert_allclose(wide[:, :3], model.predict(x, verbose=0), atol=1e-6)
    assert (wide[:, 3:] < 1e-6).all()


def test_a_head_that_is_not_dense_is_named():
    from qatflow.backend import keras
    from qatflow.models.widen import widened

    source = keras.layers.Input((4, 4, 2))
    model = keras.Model(source, keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(3, 1)(source)))
    with pytest.raises(ModelError, match="ends in a GlobalAveragePooling2D"):
        widened(model, 5)
