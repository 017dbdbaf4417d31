import numpy as np
import pytest

from qatflow.backend import keras, tf
from qatflow.errors import DataError
from qatflow.quantization.correction.bias import _in_steps, correct_biases
from qatflow.quantization.correction.operators import constant, operators
from qatflow.tflite.convert import convert_float
from qatflow.tflite.inspect import inventory, layer_weights
from qatflow.tflite.rewrite import pack, parse
from qatflow.tflite.runtime import Runner

layers = keras.layers


def weights_of(tree):
    """The buffers of the three layers' weights, the largest last."""
    return sorted(
        (b for b in tree.buffers if b.data is not None and len(b.data) in (72, 1280)), key=lambda b: b.data.size
    )


def drift(tree):
    """Shift all int8 weights to one side, which shifts the mean of every output."""
    for buffer in weights_of(tree):
        buffer.data = np.minimum(buffer.data.view(np.int8).astype(int) + 6, 127).astype(np.int8).view(np.uint8)


def without_dense_bias(tree):
    dense = tree.subgraphs[0].operators[3]
    dense.inputs = np.array([*dense.inputs[:2], -1], np.int32)


def share_bias(tree):
    first, second = (tree.subgraphs[0].operators[i].inputs for i in (0, 1))
    tree.subgraphs[0].tensors[second[2]].buffer = tree.subgraphs[0].tensors[first[2]].buffer


def biases(model):
    tree = parse(model)
    return [constant(tree, operator.bias_index).tolist() for operator in operators(tree, layer_weights(model))]


def error(model, reference, x):
    return float(np.mean(np.square(Runner(model).predict(x) - Runner(reference).predict(x))))


def test_takes_out_a_shift_of_the_weights(golden, edited, images):
    shifted = edited(golden["int8"], drift)

    corrected = correct_biases(shifted, golden["float32"], images[:100])

    before, after = (error(model, golden["float32"], images[100:]) for model in (shifted, corrected))
    assert after < 0.5 * before
    assert len(corrected) == len(shifted)
    assert inventory(corrected) == inventory(shifted)


def test_is_deterministic_and_leaves_its_input_alone(golden, edited, images):
    shifted = edited(golden["int8"], drift)
    kept = bytes(bytearray(shifted))

    once, again = (
        correct_biases(shifted, golden["float32"], images[order]) for order in (np.arange(50), np.arange(50)[::-1])
    )

    assert once == again != shifted
    assert shifted == kept


def test_a_second_correction_finds_little_left(golden, edited, images):
    once = correct_biases(edited(golden["int8"], drift), golden["float32"], images[:60])

    twice = correct_biases(once, golden["float32"], images[:60])

    assert [np.abs(np.subtract(a, b)).max() for a, b in zip(biases(once), biases(twice), strict=True)] == [0, 0, 0]


def test_corrects_four_bit_weights(golden, images):
    def coarse(tree):
        for buffer in weights_of(tree):
            buffer.data = (
                np.clip(np.floor(buffer.data.view(np.int8) / 18) * 18, -126, 126).astype(np.int8).view(np.uint8)
            )

    tree = parse(golden["int8"])
    coarse(tree)
    four = pack(tree)
    corrected = correct_biases(four, golden["float32"], images[:100])

    assert error(corrected, golden["float32"], images[100:]) < 0.5 * error(four, golden["float32"], images[100:])


def test_corrects_packed_int4_weights(golden, images):
    corrected = correct_biases(golden["int4"], golden["float32"], images[:100])

    before, after = (error(model, golden["float32"], images[100:]) for model in (golden["int4"], corrected))
    assert inventory(corrected) == inventory(golden["int4"])
    assert after < 0.5 * before


def test_a_missing_bias_is_added(golden, edited, images):
    floats, shifted = (edited(golden[name], without_dense_bias) for name in ("float32", "int8"))
    shifted = edited(shifted, drift)

    corrected = correct_biases(shifted, floats, images[:100])

    assert len(biases(corrected)[2]) == 10
    assert error(corrected, floats, images[100:]) < 0.5 * error(shifted, floats, images[100:])


def test_a_shared_bias_is_parted(golden, edited, images):
    floats, shared = (edited(golden[name], share_bias) for name in ("float32", "int8"))
    shared = edited(shared, drift)

    first, second, _ = biases(correct_biases(shared, floats, images[:50]))

    assert biases(shared)[0] == biases(shared)[1]
    assert first != second


def test_layers_with_other_weights_are_left_alone(golden, edited, images):
    def shuffle(tree):
        buffer = next(b for b in tree.buffers if b.data is not None and len(b.data) == 4 * 1280)
        buffer.data = np.random.default_rng(0).permutation(buffer.data.view(np.float32)).view(np.uint8)

    shifted = edited(golden["int8"], drift)
    first, second, dense = biases(correct_biases(shifted, edited(golden["float32"], shuffle), images[:50]))

    assert dense == biases(shifted)[2]
    assert first != biases(shifted)[0]
    assert second != biases(shifted)[1]


def test_a_channel_that_is_nan_in_the_float_model_is_left_alone(golden, edited, images):
    def spoil(tree):
        buffer = tree.buffers[tree.subgraphs[0].tensors[tree.subgraphs[0].operators[3].inputs[2]].buffer]
        buffer.data = np.r_[buffer.data.view(np.float32)[:-1], np.float32("nan")].view(np.uint8)

    shifted = edited(golden["int8"], drift)
    dense = biases(correct_biases(shifted, edited(golden["float32"], spoil), images[:50]))[2]

    assert dense[-1] == biases(shifted)[2][-1]
    assert (
        dense[:-1] == biases(correct_biases(shifted, golden["float32"], images[:50]))[2][:-1] != biases(shifted)[2][:-1]
    )


def test_shifts_in_steps_are_rounded_and_safe():
    shift, steps = np.array([0.26, -0.26, 1.0, np.nan, 1e300, 1.0]), np.array([0.1, 0.1, 0.0, 1.0, 1e-300, 1e-30])

    assert _in_steps(shift, steps).tolist() == [3, -3, 0, 0, 0, 2**61]


@pytest.mark.parametrize(("name", "other"), [("float32", "float32"), ("regressor", "autoencoder")])
def test_float_models_and_other_models_are_left_alone(golden, name, other):
    x = np.zeros((2, *Runner(golden[name]).input.shape), np.float32)

    assert correct_biases(golden[name], golden[other], x) == pack(parse(golden[name]))


def test_refuses_no_samples(golden):
    with pytest.raises(DataError, match="no samples"):
        correct_biases(golden["int8"], golden["float32"], [])


@pytest.mark.slow
def test_corrects_64_bit_biases_of_16_bit_activations(sequence, samples):
    model = sequence((6, 6, 2), layers.Conv2D(4, 3, name="a"), layers.ReLU(name="r"), layers.Conv2D(3, 2, name="b"))
    x = samples((6, 6, 2), 60)
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([sample[None]] for sample in x)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8]
    plain, floats = bytes(converter.convert()), convert_float(model)

    corrected = correct_biases(plain, floats, x)

    assert inventory(corrected)["tensor_dtypes"]["INT64"] == 2
    assert biases(corrected) != biases(plain)
    means = [np.mean(Runner(each).predict(x), axis=(0, 1, 2)) for each in (floats, plain, corrected)]
    assert np.abs(means[2] - means[0]).max() < 0.5 * np.abs(means[1] - means[0]).max()
