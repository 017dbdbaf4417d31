import numpy as np
import pytest

from qatflow.artifacts import sha256_bytes
from qatflow.backend import keras, tf
from qatflow.errors import ConversionError
from qatflow.tflite.convert import (
    convert_dynamic_range,
    convert_float,
    convert_float16,
    convert_full_integer,
    convert_int16_activations,
    convert_integer,
    require,
)
from qatflow.tflite.inspect import inventory
from qatflow.tflite.runtime import Runner

layers = keras.layers


def sequential(*stack, shape=(8,)):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([layers.Input(shape, name="input"), *stack], name="model")
    model.set_weights([np.random.default_rng(0).normal(0, 1, weight.shape) for weight in model.get_weights()])
    return model


@pytest.fixture
def dense():
    return sequential(layers.Dense(256, activation="relu", name="hidden"), layers.Dense(4, name="outputs"))


@pytest.fixture
def x():
    return np.random.default_rng(0).normal(0, 1, (40, 8)).astype(np.float32)


def test_float_computes_what_keras_does(dense, x):
    flatbuffer = convert_float(dense)

    np.testing.assert_allclose(Runner(flatbuffer).predict(x), dense(x), rtol=1e-5, atol=1e-4)
    assert set(inventory(flatbuffer)["tensor_dtypes"]) == {"FLOAT32"}


def test_input_keeps_its_name_and_a_free_batch_size(dense, x):
    runner = Runner(convert_float(dense))

    assert runner.input.name == "input"
    assert runner.predict(x[:7]).shape == (7, 4)


def test_float16_halves_the_weights(dense, x):
    contents = inventory(convert_float16(dense))["weight_bytes"]

    assert contents["FLOAT16"] == 2 * (8 * 256 + 256 * 4 + 256 + 4)


def test_dynamic_range_has_int8_weights_and_float_ends(dense, x):
    flatbuffer = convert_dynamic_range(dense)

    assert inventory(flatbuffer)["weight_bytes"]["INT8"] == 8 * 256 + 256 * 4
    assert Runner(flatbuffer).input.dtype == "float32"


def test_dynamic_range_of_tiny_weights_is_refused(x):
    with pytest.raises(ConversionError, match="made no INT8 weights"):
        convert_dynamic_range(sequential(layers.Dense(4, name="tiny")))


def test_full_integer_has_integers_only(dense, x):
    flatbuffer = convert_full_integer(dense, x)

    runner = Runner(flatbuffer)
    assert (runner.input.dtype, runner.output.dtype) == ("int8", "int8")
    assert set(inventory(flatbuffer)["tensor_dtypes"]) == {"INT8", "INT32"}
    assert np.abs(runner.predict(x) - dense(x)).max() < 8 * runner.output.scale


def test_full_integer_refuses_layers_that_stay_float(x):
    model = sequential(layers.Dense(8, activation="elu", name="d"))

    with pytest.raises(ConversionError, match=r"no integer form of some layers.*'ELU': 1"):
        convert_full_integer(model, x)


def test_integer_keeps_operators_without_an_integer_form_float_and_the_ends_int8(x):
    model = sequential(layers.Dense(8, activation="elu", name="d"))

    flatbuffer = convert_integer(model, x)

    runner, contents = Runner(flatbuffer), inventory(flatbuffer)
    assert (runner.input.dtype, runner.output.dtype) == ("int8", "int8")
    assert contents["weight_bytes"]["INT8"] == 64
    assert contents["tensor_dtypes"]["FLOAT32"] == 2
    assert np.abs(runner.predict(x) - model(x)).max() < 8 * runner.output.scale


def test_integer_takes_models_without_weights_where_none_are_asked(x):
    model = sequential(layers.ReLU(name="r"))

    assert Runner(convert_integer(model, x, None)).output.dtype == "int8"
    with pytest.raises(ConversionError, match="made no INT8 weights"):
        convert_integer(model, x)


def test_ids_stay_whole_numbers():
    model = sequential(layers.Embedding(300, 4, name="e"), layers.Dense(2, name="d"), shape=(5,))
    ids = np.random.default_rng(0).integers(0, 300, (20, 5)).astype(np.float32)

    runner = Runner(convert_integer(model, ids))

    assert (runner.input.dtype, runner.output.dtype) == ("float32", "int8")
    assert np.abs(runner.predict(ids) - model(ids)).max() < 4 * runner.output.scale


def test_int16_activations_are_finer_than_int8(dense, x):
    dense.set_weights([np.sign(weight) for weight in dense.get_weights()])  # which int8 holds exactly
    fine, coarse = Runner(convert_int16_activations(dense, x)), Runner(convert_integer(dense, x))

    assert (fine.input.dtype, fine.output.dtype) == ("int16", "int16")
    errors = [np.abs(runner.predict(x) - dense(x)).max() for runner in (fine, coarse)]
    assert errors[0] < 0.5 * errors[1]


@pytest.mark.parametrize("shape", [(4,), (3, 4), (3, 3, 4)])
def test_layer_normalization_of_16_bits_is_refused_before_litert_aborts(shape):
    model = sequential(layers.Dense(8, name="d"), layers.LayerNormalization(name="n"), shape=shape)

    with pytest.raises(ConversionError, match=r"no 16-bit kernel for 'n' .*; use 8-bit activations, as in ptq_w8a8"):
        convert_int16_activations(model, np.zeros((2, *shape), np.float32))


def test_what_has_no_16_bits_is_refused_with_the_way_out():
    model = sequential(layers.Conv3D(2, 2, name="c"), layers.Flatten(name="f"), layers.Dense(3), shape=(3, 3, 3, 2))

    with pytest.raises(ConversionError, match=r"INT16.*\. With 8-bit activations, as in ptq_w8a8, it may go"):
        convert_int16_activations(model, np.ones((4, 3, 3, 3, 2), np.float32))


def test_full_integer_refuses_weights_of_another_width(dense, x):
    with pytest.raises(ConversionError, match="made no INT4 weights"):
        convert_full_integer(dense, x, "INT4")


def test_equal_models_give_equal_bytes(x):
    def digest():
        return sha256_bytes(convert_full_integer(sequential(layers.Dense(4, name="d")), x))

    assert digest() == digest()


def test_layers_without_an_operator_are_refused():
    class Digamma(layers.Layer):
        def call(self, inputs):
            return tf.math.digamma(inputs)

    with pytest.raises(ConversionError, match=r"cannot express model: it has no operator Digamma\. docs/coverage\.md"):
        convert_float(sequential(Digamma(name="digamma")))


def test_require_passes_what_is_right(dense):
    flatbuffer = convert_float(dense)

    assert require(flatbuffer, "FLOAT32") is flatbuffer
