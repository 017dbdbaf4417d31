import numpy as np
import pytest

from qatflow.ensemble.combine import COMBINERS
from qatflow.ensemble.merge import merge
from qatflow.tflite.inspect import inventory
from qatflow.tflite.rewrite import parse
from qatflow.tflite.runtime import Runner

MEAN = COMBINERS["mean"]


def test_variables_and_names_stay_apart(classifiers):
    model = parse(merge({"a": classifiers["int8"], "b": classifiers["int8"]}, MEAN, [0.5, 0.5]))
    names = [tensor.name.decode() for tensor in model.subgraphs[0].tensors]

    assert sum("/a/" in name or name.startswith("a/") for name in names) == sum(
        "/b/" in name or name.startswith("b/") for name in names
    )
    assert len(model.subgraphs[0].operators) == 2 * len(parse(classifiers["int8"]).subgraphs[0].operators) + 2 + 3


@pytest.mark.slow
def test_members_with_loops_call_their_own_graphs():
    from qatflow.backend import keras, start, tf

    def looping(seed):
        start(seed)
        model = keras.Sequential([keras.layers.GRU(6, batch_input_shape=(1, 5, 4)), keras.layers.Dense(3, "softmax")])
        converter = tf.lite.TFLiteConverter.from_keras_model(model)
        return bytes(converter.convert())

    members = {"a": looping(1), "b": looping(2)}
    assert all(inventory(model)["operators"]["WHILE"] == 1 for model in members.values())
    x = np.random.default_rng(0).random((8, 5, 4)).astype(np.float32)
    weights = [np.float32(weight) for weight in (0.7, 0.3)]

    model = merge(members, COMBINERS["weighted"], weights)

    alone = np.stack([Runner(member).predict(x) for member in members.values()])
    assert len(parse(model).subgraphs) == 1 + 2 * 2
    assert np.array_equal(Runner(model).predict(x), COMBINERS["weighted"].combine(alone, weights))


@pytest.mark.slow
def test_sixteen_bit_activations_keep_their_grid():
    from qatflow.backend import keras, start, tf

    x = np.random.default_rng(0).random((64, 6)).astype(np.float32)

    def sixteen(seed):
        start(seed)
        model = keras.Sequential([keras.layers.Dense(8, "relu", input_shape=(6,)), keras.layers.Dense(2)])
        converter = tf.lite.TFLiteConverter.from_keras_model(model)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([row[None] * seed] for row in x)
        only = tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
        converter.target_spec.supported_ops = [only]
        converter.inference_input_type = converter.inference_output_type = tf.int16
        return bytes(converter.convert())

    members = {"a": sixteen(1), "b": sixteen(2)}
    model = merge(members, MEAN, [0.5, 0.5])

    alone = np.stack([Runner(member).predict(x) for member in members.values()])
    step = max(Runner(member).output.scale for member in members.values())
    assert {Runner(member).input.dtype for member in members.values()} == {"int16"}
    # XNNPACK has no int16 QUANTIZE, and LiteRT's own rounds ties away from zero, so one input may differ by a step.
    assert np.abs(Runner(model).predict(x) - MEAN.combine(alone, [np.float32(0.5)] * 2)).max() <= step
