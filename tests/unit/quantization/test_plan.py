import pytest

from qatflow.backend import keras
from qatflow.quantization.plan import Fixed, Own, Plan, Tied, plan_outputs

layers = keras.layers


def test_only_the_last_layer_of_a_fused_chain_has_an_output(sequence):
    stack = [layers.Activation("linear", name="in"), layers.Conv2D(2, 3, name="conv")]
    stack += [layers.BatchNormalization(name="norm"), layers.ReLU(6.0, name="relu")]

    assert plan_outputs(sequence((8, 8, 1), *stack)) == {"in": Own(), "relu": Own()}


def test_a_linear_activation_is_a_grid_only_behind_the_input(sequence):
    model = sequence((4,), layers.Dense(3, name="d"), layers.Activation("linear", name="later"))

    assert plan_outputs(model) == {"d": Own()}


@pytest.mark.parametrize(
    ("activation", "low", "high"),
    [("softmax", 0, 255 / 256), ("sigmoid", 0, 255 / 256), ("tanh", -1, 127 / 128)],
)
def test_ranges_that_tflite_prescribes(sequence, activation, low, high):
    model = sequence((4,), layers.Dense(3, name="d"), layers.Activation(activation, name="end"))

    assert plan_outputs(model) == {"d": Own(), "end": Fixed(low, high)}


def test_softmax_as_a_layer(sequence):
    assert plan_outputs(sequence((4,), layers.Softmax(name="end"))) == {"end": Fixed(0, 255 / 256)}


@pytest.mark.parametrize("name", ["swish", "gelu", "selu", "hard_sigmoid_keras3"])
def test_ranges_that_are_measured(sequence, name):
    assert plan_outputs(sequence((4,), layers.Activation(name, name="end"))) == {"end": Own()}


@pytest.mark.parametrize("layer", [layers.ELU, layers.Flatten, layers.MaxPooling1D, layers.ReLU])
def test_layers_without_a_grid_of_their_own(sequence, layer):
    settings = {"max_value": 4.0} if layer is layers.ReLU else {}

    assert plan_outputs(sequence((4, 2), layer(**settings, name="a"))) == {}


def test_what_the_converter_quantizes_itself_has_a_grid_behind_it_and_before_it(sequence):
    stack = [layers.Conv2D(2, 3, name="conv"), layers.Reshape((6, 12), name="steps"), layers.LSTM(2, name="lstm")]

    assert plan_outputs(sequence((8, 8, 1), *stack)) == {"conv": Own(), "steps": Tied("conv"), "lstm": Own()}


def test_average_pooling_has_its_inputs_grid(sequence):
    stack = [layers.Conv2D(2, 3, name="conv"), layers.MaxPooling2D(name="max"), layers.AveragePooling2D(name="mean")]
    stack += [layers.AveragePooling2D(1, name="again"), layers.GlobalAveragePooling2D(name="all")]

    outputs = plan_outputs(sequence((10, 10, 1), *stack))

    assert outputs == {"conv": Own(), "mean": Tied("conv"), "again": Tied("mean"), "all": Own()}


def test_average_pooling_behind_a_float_layer_has_none(sequence):
    assert plan_outputs(sequence((8, 8, 1), layers.ELU(name="elu"), layers.AveragePooling2D(name="mean"))) == {}


def test_layers_that_are_called_twice_stay_without(sequence):
    shared = layers.Conv2D(1, 3, padding="same", name="shared")

    assert plan_outputs(sequence((8, 8, 1), shared, layers.ReLU(name="relu"), shared)) == {"relu": Own()}


def test_sums_and_concatenations():
    x = layers.Input((4,), name="input")
    a, b = layers.Dense(4, name="a")(x), layers.Dense(4, activation="relu", name="b")(x)
    both = layers.Concatenate(name="both")([layers.Add(name="sum")([a, b]), layers.Dense(2, name="c")(x)])

    assert plan_outputs(keras.Model(x, both)) == {"a": Own(), "b": Own(), "both": Own()}


def test_layers_of_a_plan_are_those_with_weights_or_outputs():
    assert Plan({"a": 4}, {"b": Own(), "a": Own()}).layers == {"a", "b"}
