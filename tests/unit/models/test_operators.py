import pytest

from qatflow.errors import ModelError
from qatflow.models.operators import as_layer, function_name, is_reference

X, Y = ["x", 0, 0], ["y", 0, 0]
ALL = {"start": None, "stop": None, "step": None}


@pytest.mark.parametrize(
    ("function", "operands", "arguments", "expected"),
    [
        ("add", [X, Y], {}, ("Add", {}, {})),
        ("subtract", [X, Y], {}, ("Subtract", {}, {})),
        ("add", [X, 2], {}, ("Rescaling", {"scale": 1.0, "offset": 2}, {})),
        ("subtract", [X, [1.0, 2.0]], {}, ("Rescaling", {"scale": 1.0, "offset": [-1.0, -2.0]}, {})),
        ("subtract", [2, X], {}, ("Rescaling", {"scale": -1.0, "offset": 2}, {})),
        ("multiply", [3.0, X], {}, ("Rescaling", {"scale": 3.0, "offset": 0.0}, {})),
        ("divide", [X, 4], {}, ("Rescaling", {"scale": 0.25, "offset": 0.0}, {})),
        ("divide", [X, Y], {}, ("TFOpLambda", {"function": "math.truediv"}, {"y": Y})),
        ("negative", [X], {}, ("Rescaling", {"scale": -1.0}, {})),
        ("relu", [X], {}, ("Activation", {"activation": "relu"}, {})),
        ("reshape", [X], {"newshape": [-1, 3, 4]}, ("Reshape", {"target_shape": [3, 4]}, {})),
        ("transpose", [X], {"perm": [0, 2, 1]}, ("Permute", {"dims": [2, 1]}, {})),
        ("concatenate", [X, Y], {"axis": 1}, ("Concatenate", {"axis": 1}, {})),
        (
            "mean",
            [X],
            {"axis": [1, 2], "keepdims": False},
            ("TFOpLambda", {"function": "math.reduce_mean"}, {"axis": [1, 2], "keepdims": False}),
        ),
        (
            "getitem",
            [X],
            {"key": [{"class_name": "__slice__", "config": ALL}, None, 0]},
            ("SlicingOpLambda", {"function": "__operators__.getitem"}, {"slice_spec": [ALL, None, 0]}),
        ),
    ],
)
def test_functions_become_layers(function, operands, arguments, expected):
    assert as_layer("l", function, operands, arguments) == expected


@pytest.mark.parametrize(
    ("function", "operands", "arguments"),
    [
        ("add", [1, 2], {}),
        ("add", [X, "y"], {}),
        ("add", [X, {"class_name": "Lambda"}], {}),
        ("add", [X, Y], {"alpha": 2}),
        ("divide", [2, X], {}),
        ("maximum", [X, 0], {}),
        ("relu", [X, Y], {}),
        ("relu", [X], {"alpha": 0.1}),
        ("not_equal", [X, 0], {}),
        ("reshape", [X], {"shape": [8, 3]}),
        ("reshape", [X], {"shape": Y}),
        ("reshape", [X], {}),
        ("transpose", [X], {"axes": [1, 0]}),
        ("mean", [X], {"axis": 0}),
        ("mean", [X], {"axis": 1, "name": "n"}),
        ("getitem", [X], {"slice_spec": [0]}),
        ("getitem", [X], {"slice_spec": [ALL, {"class_name": "__ellipsis__"}]}),
    ],
)
def test_refuses_other_arguments(function, operands, arguments):
    with pytest.raises(ModelError, match=f"layer 'l' is the function {function} with arguments that are not read"):
        as_layer("l", function, operands, arguments)


def test_refuses_a_division_by_zero():
    with pytest.raises(ModelError, match="layer 'l' divides by zero"):
        as_layer("l", "divide", [X, 0], {})


def test_knows_both_names_of_a_function():
    assert function_name("l", "math.truediv") == function_name("l", "TrueDivide") == "divide"
    with pytest.raises(ModelError, match=r"layer 'l' is the function io\.read_file, which is not loaded from files"):
        function_name("l", "io.read_file")


@pytest.mark.parametrize("value", [None, 1, "x", ["x"], ["x", 0, 1.0], ["x", True, 0], [0, 0, 0], ["x", 0, 0, {}]])
def test_other_values_are_no_references(value):
    assert not is_reference(value)
