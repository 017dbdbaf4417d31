import json

import pytest

from qatflow.backend import keras
from qatflow.errors import ModelError
from qatflow.models.config import MAX_CONFIG_BYTES, build_from_config, plain_config


def dense_config(**changes):
    config = json.loads(keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(2, name="d")]).to_json())
    config["config"]["layers"][1] |= changes.pop("layer", {})
    config["config"]["layers"][1]["config"] |= changes
    return json.dumps(config)


def test_holds_no_reference_to_code():
    text = json.dumps(plain_config(dense_config()))

    assert "module" not in text
    assert "registered_name" not in text


def test_builds_what_it_describes():
    model = build_from_config(plain_config(dense_config()), 10)

    assert model.output_shape == (None, 2)
    assert [layer.name for layer in model.layers] == ["d"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"layer": {"class_name": "Lambda"}}, "layer 'd' is a Lambda, which holds code"),
        (
            {"layer": {"class_name": "TFOpLambda"}, "function": "io.read_file"},
            "layer 'd' is the function io.read_file, which is not loaded from files. Known: add",
        ),
        ({"stateful": True}, "layer 'd' is stateful"),
        ({"layer": {"module": "os", "class_name": "Dense"}}, "layer 'd' is os.Dense, code of somebody else"),
        ({"layer": {"registered_name": "evil>Dense"}}, "code of somebody else"),
        ({"activation": "evil"}, "layer 'd' has activation 'evil'. Known: elu"),
        ({"activation": {"class_name": "function", "config": "system", "module": "os"}}, "has activation"),
        ({"kernel_initializer": {"class_name": "__lambda__", "config": {}}}, "is a __lambda__"),
        ({"kernel_constraint": {"class_name": "eval", "config": {}, "module": "builtins"}}, "code of somebody else"),
        ({"layer": {"class_name": ["Dense"]}}, "its config is malformed"),
    ],
)
def test_refuses_anything_but_built_in_layers(changes, message):
    with pytest.raises(ModelError, match=message):
        plain_config(dense_config(**changes))


@pytest.mark.parametrize("text", ["", "[]", "null", "{", '{"class_name": 1}', "[" * 100_000])
def test_refuses_what_is_no_config(text):
    with pytest.raises(ModelError, match="its config is malformed"):
        plain_config(text)


def test_refuses_a_single_layer_and_a_huge_config():
    with pytest.raises(ModelError, match="holds a Dense, not a Functional or Sequential model"):
        plain_config('{"class_name": "Dense", "config": {"name": "d"}}')
    with pytest.raises(ModelError, match="at most"):
        plain_config(" " * (MAX_CONFIG_BYTES + 1))


@pytest.mark.parametrize("changes", [{"units": -1}, {"units": "many"}, {"colour": "red"}, {"kernel_initializer": 3}])
def test_refuses_settings_that_make_no_sense(changes):
    with pytest.raises(ModelError, match="does not describe a model"):
        build_from_config(plain_config(dense_config(**changes)), 10)


@pytest.mark.parametrize("shape", [[None, 4, 3], {"class_name": "Lambda", "config": {}}, "4", None])
def test_settings_of_a_build_hold_no_code(shape):
    layer = {"class_name": "MultiHeadAttention", "config": {"name": "m", "num_heads": 1, "key_dim": 2}}
    shapes = dict.fromkeys(("query_shape", "key_shape", "value_shape"), shape)
    layer["build_config"] = {"shapes_dict": shapes | {"kernel_initializer": {"class_name": "Lambda", "config": {}}}}

    config = plain_config(json.dumps({"class_name": "Sequential", "config": {"layers": [layer]}}))

    expected = shape if isinstance(shape, list) else None
    settings = {"name": "m", "num_heads": 1, "key_dim": 2}
    assert config["config"]["layers"][0]["config"] == settings | dict.fromkeys(shapes, expected)


def test_refuses_another_number_of_weights():
    with pytest.raises(ModelError, match="need 10 weights, it holds 11"):
        build_from_config(plain_config(dense_config()), 11)


@pytest.mark.parametrize(("data_format", "taken"), [("channels_last", True), ("channels_first", False)])
def test_what_keras_3_says_of_padding_in_one_dimension_is_taken_where_it_is_so(data_format, taken):
    model = keras.Sequential([keras.layers.Input((4, 2)), keras.layers.ZeroPadding1D((1, 1), name="p")])
    config = json.loads(model.to_json())
    config["config"]["layers"][1]["config"]["data_format"] = data_format

    if taken:
        assert build_from_config(plain_config(json.dumps(config)), 0).output_shape == (None, 6, 2)
    else:
        with pytest.raises(ModelError, match="layer 'p' has data_format=channels_first, which is not known here"):
            plain_config(json.dumps(config))
