"""Every kind of layer that a user's file may hold: outputs are those of the Keras that wrote it."""

import importlib

import numpy as np
import pytest

from qatflow.errors import ModelError
from qatflow.models.files import load_model_file
from qatflow.models.store import load_model, save_model

keras3 = importlib.import_module("keras")


def stack(make):
    """Return a function that builds a model of the layers that `make(keras.layers)` returns."""

    def build(keras, shape):
        x = y = keras.layers.Input(shape, name="input")
        for layer in make(keras.layers):
            y = layer(y)
        return keras.Model(x, y)

    return build


def frames(keras, shape):
    layers = keras.layers
    inner = [layers.Input(shape[1:]), layers.Conv2D(3, 3), layers.BatchNormalization(), layers.Flatten()]
    x = layers.Input(shape)
    return keras.Model(x, layers.LSTM(3)(layers.TimeDistributed(keras.Sequential(inner))(x)))


def attention(keras, shape):
    layers = keras.layers
    x = layers.Input(shape, name="input")
    a, b = layers.Dense(4, name="a")(x), layers.Dense(4, name="b")(x)
    y = layers.MultiHeadAttention(2, 3, value_dim=2, dropout=0.1, name="named")(query=a, value=x, key=b)
    y = layers.MultiHeadAttention(2, 3, name="placed")(y, b, use_causal_mask=True)
    y = layers.Attention(use_scale=True, name="attention")([y, a])
    return keras.Model(x, layers.AdditiveAttention(name="additive")([y, a, b]))


def operators(keras, shape):
    layers = keras.layers
    x = layers.Input(shape, name="input")
    y = layers.Dense(4, name="d")(x)
    y = layers.Activation("relu", name="r")(1.5 * y - x / 2.0 + y[:, 1:2])
    y = (2.0 - y) * y[:, ::2][:, :1] / (1.0 + y * y) - 0.5
    return keras.Model(x, layers.Multiply(name="m")([-y[:, :, 0], y[:, :, 1]]))


CASES = {
    "lstm": ((6, 4), stack(lambda k: [k.LSTM(3, return_sequences=True, dropout=0.1), k.LSTM(3, activation="relu")])),
    "gru": ((6, 4), stack(lambda k: [k.GRU(3, return_sequences=True, reset_after=False), k.GRU(3)])),
    "simple_rnn": ((6, 4), stack(lambda k: [k.SimpleRNN(3, go_backwards=True)])),
    "bidirectional": ((6, 4), stack(lambda k: [k.Bidirectional(k.LSTM(3, return_sequences=True), merge_mode="sum")])),
    "distributed": ((6, 4), stack(lambda k: [k.TimeDistributed(k.Dense(3, activation="tanh"))])),
    "distributed_model": ((5, 6, 6, 1), frames),
    "embedding": ((6,), stack(lambda k: [k.Embedding(9, 4, mask_zero=True), k.Bidirectional(k.GRU(3))])),
    "attention": ((6, 4), attention),
    "hard_sigmoid": ((4,), stack(lambda k: [k.Dense(5, activation="hard_sigmoid"), k.Activation("hard_sigmoid")])),
    "operators": ((6, 4), operators),
    "normalization": ((4,), stack(lambda k: [k.Normalization(), k.Rescaling(2.0, offset=1.0), k.Dense(3)])),
    "image": ((4, 4, 3), stack(lambda k: [k.LayerNormalization(axis=(1, 2)), k.PReLU(shared_axes=(1, 2)), k.ELU(0.5)])),
}


def check(model, tmp_path, suffix):
    """Give the model random weights and assert that its file gives the same model, and that one's the same again."""
    rng = np.random.default_rng(0)
    model.set_weights([rng.uniform(0.1, 1, np.shape(w)).astype(np.asarray(w).dtype) for w in model.get_weights()])
    for layer in model.layers:
        if hasattr(layer, "finalize_state"):
            layer.finalize_state()
    x = rng.integers(0, 9, (4, *model.input_shape[1:])).astype(np.float32)
    model.save(str(tmp_path / f"model{suffix}"))
    loaded = load_model_file(tmp_path / f"model{suffix}")
    np.testing.assert_allclose(loaded(x), np.asarray(model(x)), atol=1e-5)
    (tmp_path / "stored").mkdir()
    save_model(loaded, tmp_path / "stored")
    np.testing.assert_array_equal(load_model(tmp_path / "stored")(x), loaded(x))


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("name", CASES)
def test_loads_layers_of_either_keras(keras, name, suffix, tmp_path):
    shape, build = CASES[name]

    check(build(keras, shape), tmp_path, suffix)


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_loads_operators_of_keras_3(suffix, tmp_path):
    layers, ops = keras3.layers, keras3.ops
    x = layers.Input((6, 4), name="input")
    y = layers.Dense(4, name="d")(x)
    y = ops.relu(y) + ops.hard_silu(y) * ops.hard_sigmoid(x)
    y = ops.concatenate([ops.reshape(y, (-1, 12, 2)), ops.transpose(ops.reshape(y, (-1, 2, 12)), (0, 2, 1))], axis=-1)
    y = layers.Reshape((12, 8), name="r")(layers.Concatenate(name="c")([y, ops.maximum(y, y * 2)]))
    y = layers.Dense(3, activation="hard_swish", name="e")(ops.mean(y, axis=1))

    check(keras3.Model(x, layers.Activation("hard_silu", name="a")(y)), tmp_path, suffix)


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_a_fixed_batch_size_is_left_out(keras, suffix, tmp_path):
    model = keras.Sequential([keras.layers.Input(batch_shape=(2, 4)), keras.layers.Dense(3, name="d")])
    model.save(str(tmp_path / f"model{suffix}"))

    assert load_model_file(tmp_path / f"model{suffix}").input_shape == (None, 4)


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_refuses_functions_that_are_not_listed(suffix, tmp_path):
    x = keras3.layers.Input((4,), name="input")
    keras3.Model(x, keras3.ops.cumsum(x, axis=1)).save(str(tmp_path / f"model{suffix}"))

    with pytest.raises(ModelError, match=r"layer 'cumsum.*' is the function Cumsum, which is not loaded"):
        load_model_file(tmp_path / f"model{suffix}")
