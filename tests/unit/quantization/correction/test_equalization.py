import numpy as np
import pytest

from qatflow.backend import keras, start
from qatflow.models import ARCHITECTURES
from qatflow.models.kernels import KERNELS
from qatflow.quantization.correction.equalization import LIMIT, equalize, factors
from qatflow.quantization.fold import fold

pytestmark = pytest.mark.slow

layers = keras.layers


@pytest.fixture
def chain(sequence):
    """Give a function that builds a stack of layers with random weights of both signs and very unequal channels."""

    def build(shape, *stack):
        return uneven(sequence(shape, *stack))

    return build


def uneven(model):
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if type(layer) in KERNELS:
            weights = [rng.normal(0, 1, weight.shape) for weight in layer.get_weights()]
            weights[0] *= rng.uniform(0.1, 10, weights[0].shape[-1])
            layer.set_weights(weights)
        elif isinstance(layer, layers.BatchNormalization):
            layer.set_weights([rng.uniform(0.5, 2, weight.shape) for weight in layer.get_weights()])
    return model


def ranges_out(layer):
    return np.abs(layer.get_weights()[0]).reshape(-1, layer.output_shape[-1]).max(axis=0)


def ranges_in(layer, channels):
    kernel = layer.get_weights()[0]
    return np.abs(kernel).reshape(-1, channels, kernel.shape[-1]).max(axis=(0, 2))


def assert_same_function(model, other, x):
    expected = model(x).numpy()
    np.testing.assert_allclose(other(x), expected, rtol=0, atol=1e-4 * np.abs(expected).max())


def test_factors_make_ranges_equal_and_leave_dead_channels():
    first, second = np.array([4.0, 0.0, 3.0, np.nan, 9.0]), np.array([1.0, 5.0, 0.0, 1.0, 1.0])

    assert factors(first, second).tolist() == [2.0, 1.0, 1.0, 1.0, 3.0]


@pytest.mark.parametrize(
    "between",
    [
        [],
        [layers.ReLU],
        [lambda: layers.ReLU(negative_slope=0.2)],
        [lambda: layers.Activation("relu")],
        [layers.ZeroPadding2D, layers.MaxPooling2D],
        [layers.AveragePooling2D, lambda: layers.Dropout(0.5)],
    ],
)
def test_conv_to_conv(chain, samples, between):
    stack = [layers.Conv2D(6, 3, name="a"), *(make() for make in between), layers.Conv2D(4, 2, name="b")]
    model = chain((8, 8, 3), *stack)

    equal = equalize(model)

    assert_same_function(model, equal, samples((8, 8, 3)))
    np.testing.assert_allclose(ranges_out(equal.get_layer("a")), ranges_in(equal.get_layer("b"), 6), rtol=1e-2)
    assert not np.allclose(ranges_out(model.get_layer("a")), ranges_in(model.get_layer("b"), 6), rtol=0.5)


@pytest.mark.parametrize("pool", [layers.Flatten, layers.GlobalAveragePooling2D, layers.GlobalMaxPooling2D])
def test_conv_to_dense(chain, samples, pool):
    model = chain((6, 6, 3), layers.Conv2D(5, 3, activation="relu", name="a"), pool(), layers.Dense(4, name="b"))

    equal = equalize(model)

    assert_same_function(model, equal, samples((6, 6, 3)))
    np.testing.assert_allclose(ranges_out(equal.get_layer("a")), ranges_in(equal.get_layer("b"), 5), rtol=1e-2)


@pytest.mark.parametrize("multiplier", [1, 2])
def test_a_depthwise_convolution_in_the_middle_gets_the_range_of_its_neighbours(chain, samples, multiplier):
    model = chain(
        (8, 8, 3),
        layers.Conv2D(6, 3, use_bias=False, activation="relu", name="a"),
        layers.DepthwiseConv2D(3, depth_multiplier=multiplier, name="dw"),
        layers.ReLU(name="relu"),
        layers.Conv2D(4, 1, name="b"),
    )

    equal = equalize(model)
    a, dw, b = (equal.get_layer(name) for name in ("a", "dw", "b"))

    assert_same_function(model, equal, samples((8, 8, 3)))
    np.testing.assert_allclose(ranges_out(a), ranges_in(dw, 6), rtol=1e-2)
    np.testing.assert_allclose(ranges_out(dw), ranges_in(b, 6 * multiplier), rtol=1e-2)


@pytest.mark.parametrize("name", ["resnet8", "ds_cnn", "mlp", pytest.param("mobilenet_v1", marks=pytest.mark.slow)])
def test_architectures_compute_the_same(samples, name):
    start(0)
    model = fold(uneven(ARCHITECTURES[name]((16, 16, 3), 5, 0.25, "regression")), tuple(KERNELS))

    equal = equalize(model)

    assert not all(np.array_equal(a, b) for a, b in zip(model.get_weights(), equal.get_weights(), strict=True))
    assert [layer.name for layer in equal.layers] == [layer.name for layer in model.layers]
    assert_same_function(model, equal, samples((16, 16, 3)))


@pytest.mark.parametrize(
    "between",
    [
        lambda: layers.ReLU(6.0),
        lambda: layers.ReLU(threshold=0.5),
        lambda: layers.Activation("sigmoid"),
        layers.BatchNormalization,
        layers.Softmax,
        lambda: layers.Permute((3, 2, 1)),
        lambda: layers.MaxPooling2D(1, data_format="channels_first"),
    ],
)
def test_leaves_alone_what_is_not_exact(chain, between):
    model = chain((6, 6, 6), layers.Conv2D(6, 1, name="a"), between(), layers.Conv2D(4, 1, name="b"))

    for before, after in zip(model.get_weights(), equalize(model).get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)


def test_leaves_alone_activations_inside_layers_and_grouped_convolutions(chain):
    for first in (layers.Conv2D(6, 1, activation="tanh", name="a"), layers.Conv2D(6, 1, groups=2, name="a")):
        model = chain((6, 6, 4), first, layers.Conv2D(4, 1, name="b"))

        np.testing.assert_array_equal(model.get_weights()[0], equalize(model).get_weights()[0])


def test_leaves_alone_what_others_read_or_the_model_gives_out():
    x = layers.Input((6,), name="input")
    a = layers.Dense(6, name="a")(x)
    b = layers.Dense(6, name="b")(a)
    shared = layers.Dense(6, name="shared")
    c = layers.Dense(6, name="c")(shared(shared(b)))
    model = uneven(keras.Model(x, [layers.Add(name="add")([a, b]), b, c]))

    for before, after in zip(model.get_weights(), equalize(model).get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)


def test_dead_and_nearly_dead_channels_stay_in_bounds(chain, samples):
    model = chain((4,), layers.Dense(5, name="a"), layers.ReLU(name="relu"), layers.Dense(3, name="b"))
    kernel, bias = model.get_layer("a").get_weights()
    kernel[:, 0], kernel[:, 1] = 0.0, 1e-20
    model.get_layer("a").set_weights([kernel, bias])

    equal = equalize(model)
    a, b = equal.get_layer("a").get_weights(), equal.get_layer("b").get_weights()

    assert_same_function(model, equal, samples((4,)))
    np.testing.assert_allclose(a[1][0], bias[0])
    np.testing.assert_allclose(a[1][1], bias[1] * LIMIT, rtol=1e-6)
    np.testing.assert_allclose(b[0][1], model.get_layer("b").get_weights()[0][1] / LIMIT, rtol=1e-6)


def test_takes_sequential_models(samples):
    model = uneven(
        keras.Sequential([layers.Input((6,), name="input"), layers.Dense(4, name="a"), layers.Dense(3, name="b")])
    )

    equal = equalize(model)

    assert_same_function(model, equal, samples((6,)))
    assert not np.array_equal(equal.get_weights()[0], model.get_weights()[0])
