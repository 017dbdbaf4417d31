import numpy as np
import pytest

from qatflow.backend import keras
from qatflow.errors import ModelError
from qatflow.models.flatten import flatten

layers = keras.layers


def randomized(model):
    rng = np.random.default_rng(0)
    model.set_weights([rng.uniform(0.1, 1, weight.shape) for weight in model.get_weights()])
    return model


def same(model, flat, atol=0.0):
    """Assert that both compute the same on random samples, and that no model is inside `flat`."""
    x = np.random.default_rng(1).normal(size=(4, *model.input_shape[1:])).astype(np.float32)
    np.testing.assert_allclose(flat(x), model(x), rtol=0, atol=atol)
    assert not [layer for layer in flat.layers if isinstance(layer, keras.Model)]
    assert len({layer.name for layer in flat.layers}) == len(flat.layers)


def names(model):
    return [layer.name for layer in model.layers]


def test_copies_a_flat_model_and_leaves_it_alone():
    x = layers.Input((4,), name="input")
    y = layers.Add(name="add")([layers.Dense(4, name="a")(x), x])
    model = randomized(keras.Model(x, layers.BatchNormalization(name="bn")(y), name="mine"))

    flat = flatten(model)

    same(model, flat)
    assert (names(flat), flat.name) == (names(model), "mine")
    flat.get_layer("a").kernel.assign_add(np.ones((4, 4)))
    assert np.any(flat.get_layer("a").kernel != model.get_layer("a").kernel)


def test_makes_a_sequential_model_functional():
    model = randomized(keras.Sequential([layers.Input((4,), name="input"), layers.Dense(3, name="d")]))

    flat = flatten(model)

    same(model, flat)
    assert not isinstance(flat, keras.Sequential)
    assert names(flat) == ["input", "d"]


def test_takes_models_inside_models_apart_and_prefixes_only_names_that_clash():
    deep = keras.Sequential([layers.Input((6, 6, 3)), layers.Conv2D(3, 1, name="conv")], name="deep")
    inner = keras.Sequential([layers.Input((6, 6, 3)), deep, layers.BatchNormalization(name="bn")], name="inner")
    x = layers.Input((6, 6, 1), name="input")
    y = inner(layers.Conv2D(3, 3, padding="same", name="conv")(x))
    model = randomized(keras.Model(x, layers.Flatten(name="flatten")(y)))

    flat = flatten(model)

    same(model, flat)
    assert names(flat) == ["input", "conv", "inner_deep_conv", "bn", "flatten"]


def test_shares_what_is_called_twice():
    inner = keras.Sequential([layers.Input((4,)), layers.Dense(4, activation="tanh", name="d")], name="inner")
    shared = layers.Dense(4, name="shared")
    x = layers.Input((4,), name="input")
    y = layers.Subtract(name="difference")([shared(inner(x)), inner(shared(x))])
    model = randomized(keras.Model(x, y))

    flat = flatten(model)

    same(model, flat, atol=1e-6)
    assert flat.count_params() == model.count_params() == 40
    assert [len(flat.get_layer(name).inbound_nodes) for name in ("d", "shared")] == [2, 2]


def test_keeps_inputs_and_outputs_of_models_inside_apart():
    a, b = layers.Input((4,), name="a"), layers.Input((4,), name="b")
    difference, total = layers.Subtract(name="minus")([a, b]), layers.Add(name="plus")([a, b])
    inner = keras.Model({"b": b, "a": a}, [difference, total], name="inner")
    x = layers.Input((4,), name="input")
    first, second = inner({"a": layers.Dense(4, name="d")(x), "b": x})
    model = randomized(keras.Model(x, layers.Concatenate(name="both")([second, first])))

    same(model, flatten(model))


def test_keeps_calls_with_several_tensors():
    x = layers.Input((5, 4), name="input")
    mha = layers.MultiHeadAttention(2, 3, name="mha")
    y = mha(query=layers.Dense(4, name="q")(x), value=x, key=layers.Dense(4, name="k")(x))
    y = layers.Dot(axes=2, name="dot")([y, layers.Attention(name="attention")([x, y])])
    model = randomized(keras.Model(x, y))

    same(model, flatten(model), atol=1e-4)


def test_keeps_operators_between_tensors():
    x = layers.Input((6, 4), name="input")
    model = randomized(keras.Model(x, 1.5 * layers.Dense(4, name="d")(x[:, 1:4:2]) - x[:, ::3] / 2.0))

    same(model, flatten(model))


def test_a_model_called_for_inference_stays_so_in_training():
    base = keras.Sequential([layers.Input((4,)), layers.BatchNormalization(name="bn"), layers.Dropout(0.9)], name="b")
    x = layers.Input((4,), name="input")
    model = keras.Model(x, base(x, training=False))
    x = np.random.default_rng(0).normal(5, 1, (8, 4)).astype(np.float32)

    flat = flatten(model)

    np.testing.assert_array_equal(flat(x, training=True), model(x, training=True))
    assert not flat.get_layer("bn").trainable


def test_keeps_adapted_statistics():
    layer = layers.Normalization(name="n")
    x = np.random.default_rng(0).normal(5, 2, (100, 3)).astype(np.float32)
    layer.adapt(x)
    model = keras.Sequential([layers.Input((3,)), layer])

    flat = flatten(model)

    np.testing.assert_allclose(flat(x), model(x), atol=1e-6)
    assert flat.get_layer("n").weights == []


@pytest.mark.slow
def test_deep_models_need_no_recursion():
    x = y = layers.Input((2,), name="input")
    for index in range(600):
        y = layers.Activation("linear", name=f"a{index}")(y)

    assert len(flatten(keras.Model(x, y)).layers) == 601


def test_refuses_models_without_a_graph():
    class Mine(keras.Model):
        def call(self, x):
            return x

    for model in (Mine(name="mine"), keras.Sequential([layers.Dense(2)], name="mine")):
        with pytest.raises(ModelError, match="mine is no Functional or Sequential model with a known input shape"):
            flatten(model)


def test_refuses_layers_that_cannot_be_copied():
    class Scale(layers.Layer):
        def __init__(self, factor, name):
            super().__init__(name=name)
            self.factor = factor

        def call(self, x):
            return x * self.factor()

    with pytest.raises(ModelError, match="layer 'mine' is a Scale that cannot be copied"):
        flatten(keras.Sequential([layers.Input((2,)), Scale(lambda: 3, name="mine")]))
