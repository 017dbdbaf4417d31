"""Small models of kinds that `tests/fuzz` found: refused, crashed, or answered otherwise, before."""

import numpy as np
import pytest

from qatflow.backend import keras
from qatflow.quantization.run import make
from qatflow.tflite.inspect import inventory
from qatflow.tflite.runtime import Runner

layers = keras.layers
pytestmark = pytest.mark.slow


def convolved(shape):
    return lambda x: layers.Reshape(shape)(layers.Conv2D(4, 3, activation="relu", name="c")(x))


def attended(x):
    return layers.MultiHeadAttention(2, 4)(x, x)


def twice(x):
    shared = layers.Conv2D(8, 1, activation="relu", name="shared")
    return layers.Conv2D(12, 3, name="wide")(shared(shared(layers.Conv2D(8, 3, name="first")(x))))


def dead(x):
    gate = layers.Conv2D(4, 3, activation="relu", name="dead", bias_initializer=keras.initializers.Constant(-100))
    return layers.Multiply()([gate(x), layers.Conv2D(4, 3, name="c")(x)])


MODELS = {
    "a GRU, whose first state is 0": ((6, 5), layers.GRU(6)),
    "an LSTM in front of the only kernel": ((6, 5), layers.LSTM(6)),
    "an LSTM behind convolution and Reshape": ((8, 8, 2), lambda x: layers.LSTM(4)(convolved((6, 24))(x))),
    "attention behind a scale": ((6, 5), lambda x: attended(layers.Rescaling(0.5)(x))),
    "attention behind convolution and Reshape": ((8, 8, 2), lambda x: attended(convolved((36, 4))(x))),
    "a layer called twice": ((8, 8, 2), twice),
    "a tensor that is always 0": ((8, 8, 2), dead),
}


@pytest.mark.parametrize(
    ("strategy", "which"),
    [
        ("ptq_w8a16", "a GRU, whose first state is 0"),
        ("ptq_w4a8", "a GRU, whose first state is 0"),
        ("ptq_w4a8", "an LSTM in front of the only kernel"),
        ("ptq_w4a8", "an LSTM behind convolution and Reshape"),
        ("ptq_w4a8", "attention behind a scale"),
        ("ptq_w4a8", "attention behind convolution and Reshape"),
        ("qat_w8a8_structured", "a layer called twice"),
        ("ptq_w8a8", "a tensor that is always 0"),
    ],
)
def test_is_quantized_and_answers_as_its_twin(work, samples, strategy, which):
    shape, body = MODELS[which]
    given, x = work(shape, compression={"channels": 0.2, "multiple_of": 2, "epochs": 1}), samples(shape)
    inputs = keras.Input(shape)
    hidden = body(inputs)
    end = layers.Dense(3, activation="softmax", name="d")(layers.Flatten()(hidden) if len(hidden.shape) > 2 else hidden)

    made = make(strategy, keras.Model(inputs, end), given.data, given.settings, seed=0)

    contents = inventory(made.flatbuffer)
    assert ("INT4" if "w4" in strategy else "INT8") in contents["weight_bytes"]
    assert "FLOAT32" not in contents["tensor_dtypes"]
    apart = np.abs(Runner(made.flatbuffer).predict(x) - made.model.predict(x, verbose=0))
    assert np.mean(apart < 2.5 / 256) > 0.9
