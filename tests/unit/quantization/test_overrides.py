"""What a user wants of single layers: 4 bits, 8 bits or float, whichever strategy makes the model."""

import numpy as np
import pytest

from qatflow.backend import keras
from qatflow.errors import ParamsError
from qatflow.quantization.overrides import override_of, overrides_of
from qatflow.quantization.run import make
from qatflow.quantization.store import load_quantized, save_quantized
from qatflow.tflite.inspect import inventory, layer_weights
from qatflow.tflite.runtime import Runner

layers = keras.layers
SHAPE = (8, 8, 2)


@pytest.fixture
def model(sequence, lively):
    stack = [layers.Conv2D(6, 3, use_bias=False, name="conv"), layers.BatchNormalization(name="bn"), layers.ReLU()]
    stack += [layers.SeparableConv2D(6, 3, activation="relu", name="sep")]
    stack += [layers.GlobalAveragePooling2D(name="pool"), layers.Dense(8, activation="relu", name="head_1")]
    return lively(sequence(SHAPE, *stack, layers.Dense(3, activation="softmax", name="head_2")))


def run(name, model, work, wanted, **settings):
    given = work(SHAPE, **settings)
    return make(name, model, given.data, given.settings.model_copy(update={"layers": wanted}), seed=given.seed)


def stored(made):
    """Name of each layer in the flatbuffer -> type of its weights."""
    return {layer.name: layer.dtype for layer in layer_weights(made.flatbuffer)}


def answers_alike(made, model, samples, within):
    x = samples(SHAPE)
    outputs = Runner(made.flatbuffer).predict(x)
    assert np.abs(outputs - model.predict(x, verbose=0)).max() < within


def test_the_last_pattern_counts_and_parts_of_a_layer_follow_it(model):
    found = overrides_of(model, {"*": 8, "head*": "float", "head_2": 4})

    assert found == {"conv": 8, "sep": 8, "head_1": "float", "head_2": 4}
    assert override_of("sep_depthwise", found) == 8
    assert override_of("head_1", found) == "float"
    assert override_of("other", found) is None


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("head_3", "which is no layer of the model. Did you mean 'head_2'?"),
        ("dense*", "Known: conv, sep, head_1, head_2"),
        ("pool", "a layer whose weights have no width to choose; those that have one: conv, sep, head_1"),
    ],
)
def test_unknown_patterns_are_refused_before_anything_is_trained(model, work, pattern, said):
    with pytest.raises(ParamsError) as error:
        run("qat_w4a8", model, work, {pattern: 8})
    assert said in str(error.value)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ptq_w4a8", "qat_w4a8", "qat_mixed", "qat_progressive"])
def test_strategies_with_a_plan_give_each_layer_what_is_wanted(model, work, samples, name):
    wanted = {"conv": 8, "sep": 4, "head_2": "float"}

    made = run(name, model, work, wanted, mixed={"size_ratio": 0.999, "probe_samples": 8})

    found = stored(made)
    assert (found["conv"], found["sep"], found["head_2"]) == ("INT8", "INT4", "FLOAT32")
    assert (made.widths["conv"], made.widths["sep"], "head_2" in made.widths) == (8, 4, False)
    assert "head_2: float32, as quantize.layers wants" in made.notes
    assert made.alarm is None
    answers_alike(made, made.model, samples, 0.05)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "ends"),
    [("ptq_w8a8", "INT8"), ("ptq_w8a16", "INT16"), ("qat_w8a8_per_channel", "INT8"), ("qat_w8a16", "INT16")],
)
def test_layers_stay_float_between_integer_tensors(model, work, samples, name, ends):
    made = run(name, model, work, {"conv": "float", "head_1": "float"})

    found = stored(made)
    assert {found["conv"], found["head_1"]} == {"FLOAT32"}
    assert found["head_2"] == "INT8"
    assert inventory(made.flatbuffer)["operators"]["DEQUANTIZE"] == 2
    assert Runner(made.flatbuffer).input.dtype == ends.lower()
    if not name.startswith("qat"):
        answers_alike(made, model, samples, 0.1)
    assert made.alarm is None


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ptq_w8a8", "ptq_w4a8"])
def test_both_parts_of_a_separable_convolution_stay_float_and_series_do(sequence, lively, work, samples, name):
    stack = [layers.SeparableConv1D(6, 3, activation="relu", name="sep"), layers.Conv1D(4, 3, name="conv")]
    model = lively(sequence((12, 2), *stack, layers.Flatten(), layers.Dense(3, activation="softmax", name="d")))
    given = work((12, 2))

    settings = given.settings.model_copy(update={"layers": {"sep": "float", "conv": "float"}})
    made = make(name, model, given.data, settings, seed=given.seed)

    found = stored(made)
    assert {found[part] for part in ("sep", "sep_depthwise", "conv")} == {"FLOAT32"}
    assert found["d"] != "FLOAT32"
    x = samples((12, 2))
    assert np.abs(Runner(made.flatbuffer).predict(x) - model.predict(x, verbose=0)).max() < 0.1


@pytest.mark.slow
def test_a_float_layer_of_a_clustered_model_keeps_its_own_weights(sequence, lively, work):
    stack = [layers.Flatten(), layers.Dense(24, activation="relu", name="a"), layers.Dense(16, name="b")]
    model = lively(sequence((4, 4, 2), *stack, layers.Dense(3, activation="softmax", name="c")))
    given = work((4, 4, 2))

    settings = given.settings.model_copy(update={"layers": {"b": "float"}})
    made = make("cqat_w8a8", model, given.data, settings, seed=given.seed)

    kinds = {layer.name: len(np.unique(layer.integers)) for layer in layer_weights(made.flatbuffer)}
    assert stored(made) == {"a": "INT8", "b": "FLOAT32", "c": "INT8"}
    assert kinds["a"] <= 16 < kinds["b"]


@pytest.mark.slow
def test_dynamic_range_keeps_the_float_layers_and_float16_has_nothing_to_keep(sequence, lively, work, samples):
    stack = [layers.Flatten(), layers.Dense(32, activation="relu", name="a"), layers.Dense(64, name="b")]
    model = lively(sequence(SHAPE, *stack, layers.Dense(3, activation="softmax", name="c")))

    made = run("dynamic_range", model, work, {"b": "float"})

    assert (stored(made)["a"], stored(made)["b"]) == ("INT8", "FLOAT32")
    answers_alike(made, model, samples, 0.05)
    assert set(stored(run("float16", model, work, {"b": "float"})).values()) == {"FLOAT16"}


@pytest.mark.parametrize(
    ("name", "wanted", "said"),
    [
        ("ptq_w8a8", {"conv": 4}, "all weights have 8 bits, but quantize.layers wants 'conv': 4; take ptq_w4a8"),
        ("qat_w8a16", {"head*": 4}, "all weights have 8 bits, but quantize.layers wants 'head_1': 4, 'head_2': 4"),
        ("float32", {"conv": 8}, "all weights have 32 bits"),
        ("qat_w4a8", {"*": 8}, "leaves no layer of 4 bits"),
    ],
)
def test_what_a_strategy_cannot_give_is_refused_with_a_way_out(model, work, name, wanted, said):
    with pytest.raises(ParamsError) as error:
        run(name, model, work, wanted)
    assert said in str(error.value)


@pytest.mark.slow
def test_float_layers_survive_the_way_between_two_stages(model, work, tmp_path):
    made = run("ptq_w8a8", model, work, {"head_1": "float"})

    save_quantized(made.quantized, tmp_path)

    assert load_quantized(tmp_path).floats == frozenset({"head_1"})
