"""Reads operators between tensors, such as `x[:, 0] * 2`, from model files: as layers, never as code.

tf_keras writes them as TFOpLambda and SlicingOpLambda with the name of a TensorFlow function, Keras 3 as classes of
`keras.src.ops`. Only the functions of `FUNCTIONS` are read, and only with tensors and plain numbers as arguments.
"""

from collections.abc import Callable, Sequence
from typing import Any

from qatflow.errors import ModelError

Operand = Any
"""A reference to a tensor, [layer name, call, output], or a number or list of numbers."""
Layer = tuple[str, dict[str, Any], dict[str, Any]]
"""Class, settings, and the keyword arguments it is called with."""

FUNCTIONS = {
    **dict.fromkeys(("math.add", "__operators__.add", "Add"), "add"),
    **dict.fromkeys(("math.subtract", "Subtract"), "subtract"),
    **dict.fromkeys(("math.multiply", "Multiply"), "multiply"),
    **dict.fromkeys(("math.truediv", "math.divide", "TrueDivide", "Divide"), "divide"),
    **dict.fromkeys(("math.negative", "Negative"), "negative"),
    **dict.fromkeys(("math.maximum", "Maximum"), "maximum"),
    **dict.fromkeys(("math.minimum", "Minimum"), "minimum"),
    **dict.fromkeys(("nn.relu", "Relu"), "relu"),
    **dict.fromkeys(("nn.relu6", "Relu6"), "relu6"),
    **dict.fromkeys(("math.sigmoid", "Sigmoid"), "sigmoid"),
    **dict.fromkeys(("math.tanh", "Tanh"), "tanh"),
    **dict.fromkeys(("math.exp", "Exp"), "exponential"),
    **dict.fromkeys(("math.softplus", "Softplus"), "softplus"),
    **dict.fromkeys(("nn.softsign", "Softsign"), "softsign"),
    **dict.fromkeys(("HardSilu",), "hard_swish"),
    **dict.fromkeys(("HardSigmoid",), "hard_sigmoid"),
    **dict.fromkeys(("Silu",), "silu"),
    **dict.fromkeys(("reshape", "Reshape"), "reshape"),
    **dict.fromkeys(("concat", "Concatenate"), "concatenate"),
    **dict.fromkeys(("transpose", "compat.v1.transpose", "Transpose"), "transpose"),
    **dict.fromkeys(("math.reduce_mean", "Mean"), "mean"),
    **dict.fromkeys(("math.not_equal", "NotEqual"), "not_equal"),
    **dict.fromkeys(("__operators__.getitem", "GetItem"), "getitem"),
}
"""By TensorFlow's name or Keras 3's class, what the function is called here."""
ARGUMENTS = {"newshape": "shape", "perm": "axes", "key": "slice_spec"}
"""Other names of arguments."""
MERGES = {
    "add": "Add",
    "subtract": "Subtract",
    "multiply": "Multiply",
    "maximum": "Maximum",
    "minimum": "Minimum",
}
AFFINE: dict[str, Callable[[Any], tuple[Any, Any]]] = {
    "add": lambda c: (1.0, c),
    "subtract": lambda c: (1.0, _each(lambda v: -v, c)),
    "multiply": lambda c: (c, 0.0),
    "divide": lambda c: (_each(lambda v: 1.0 / v, c), 0.0),
}
"""Scale and offset of `x op constant`."""
REFUSAL = "layer '{}' is the function {} with arguments that are not read: {!r:.100}"


def is_reference(value: Any) -> bool:
    """Tell whether a value of a call refers to a tensor."""
    return isinstance(value, list) and list(map(type, value)) == [str, int, int]


def function_name(name: str, function: object) -> str:
    """Return what a function of a model file is called here.

    Raises:
        ModelError: If it is not one of `FUNCTIONS`.
    """
    if function not in FUNCTIONS:
        known = ", ".join(sorted(set(FUNCTIONS.values())))
        raise ModelError(f"layer '{name}' is the function {function}, which is not loaded from files. Known: {known}")
    return FUNCTIONS[str(function)]


def as_layer(name: str, function: str, operands: Sequence[Operand], arguments: dict[str, Any]) -> Layer:
    """Return the layer that computes what a function does.

    Args:
        name: Of the layer.
        function: As `function_name` returned it.
        operands: What it is called on; constants only in arithmetic.
        arguments: Numbers, or lists of them.

    Raises:
        ModelError: If it is called with anything else, or mixes samples of a batch.
    """
    given = {ARGUMENTS.get(key, key): value for key, value in arguments.items() if value is not None}
    constants = [value for value in operands if not is_reference(value)]
    if not all(map(_is_number, constants)) or len(constants) == len(operands):
        raise ModelError(REFUSAL.format(name, function, operands))
    if constants:
        return _affine(name, function, operands, given)
    if function in MERGES and not given and len(operands) == 2:
        return MERGES[function], {}, {}
    if function in SHAPED:
        return _shaped(name, function, given)
    if given or len(operands) > 1 + (function == "divide"):
        raise ModelError(REFUSAL.format(name, function, given))
    if function == "divide":
        return "TFOpLambda", {"function": "math.truediv"}, {"y": operands[1]}
    if function == "negative":
        return "Rescaling", {"scale": -1.0}, {}
    return "Activation", {"activation": function}, {}


def _affine(name: str, function: str, operands: Sequence[Operand], given: dict[str, Any]) -> Layer:
    reverse = not is_reference(operands[0])
    constant = operands[0] if reverse else operands[1]
    if given or len(operands) != 2 or function not in AFFINE or (reverse and function == "divide"):
        raise ModelError(REFUSAL.format(name, function, operands))
    try:
        scale, offset = AFFINE[function](constant)
    except ZeroDivisionError:
        raise ModelError(f"layer '{name}' divides by zero") from None
    if reverse and function == "subtract":
        scale, offset = -1.0, constant
    return "Rescaling", {"scale": scale, "offset": offset}, {}


def _reshape(given: dict[str, Any]) -> Layer:
    batch, *shape = given.pop("shape")
    if batch not in {-1, None}:
        raise ValueError
    return "Reshape", {"target_shape": shape}, given


def _transpose(given: dict[str, Any]) -> Layer:
    batch, *axes = given.pop("axes")
    if batch != 0:
        raise ValueError
    return "Permute", {"dims": axes}, given


def _mean(given: dict[str, Any]) -> Layer:
    axes = given["axis"] if isinstance(given["axis"], list) else [given["axis"]]
    if 0 in axes or not given.keys() <= {"axis", "keepdims"}:
        raise ValueError
    return "TFOpLambda", {"function": "math.reduce_mean"}, given


def _getitem(given: dict[str, Any]) -> Layer:
    batch, *parts = [_slice(part) for part in given.pop("slice_spec")]
    if given or batch != {"start": None, "stop": None, "step": None}:
        raise ValueError
    return "SlicingOpLambda", {"function": "__operators__.getitem"}, {"slice_spec": [batch, *parts]}


def _slice(part: Any) -> Any:
    if not isinstance(part, dict):
        return part
    limits = part.get("config", part)
    return {key: limits[key] for key in ("start", "stop", "step")}


SHAPED: dict[str, Callable[[dict[str, Any]], Layer]] = {
    "reshape": _reshape,
    "transpose": _transpose,
    "mean": _mean,
    "getitem": _getitem,
    "concatenate": lambda given: ("Concatenate", {"axis": given.pop("axis")}, given),
}


def _shaped(name: str, function: str, given: dict[str, Any]) -> Layer:
    try:
        kind, settings, call = SHAPED[function](dict(given))
        plain = _are_plain(settings) and _are_plain(call) and (not call or kind.endswith("OpLambda"))
    except (KeyError, ValueError, TypeError):
        plain = False
    if not plain:
        raise ModelError(REFUSAL.format(name, function, given))
    return kind, settings, call


def _is_number(value: Any) -> bool:
    return all(map(_is_number, value)) if isinstance(value, list) else type(value) in {int, float}


def _are_plain(value: Any) -> bool:
    if isinstance(value, dict):
        return all(map(_are_plain, value.values()))
    if isinstance(value, list):
        return all(map(_are_plain, value))
    return value is None or type(value) in {int, float, bool, str}


def _each(function: Callable[[float], float], value: Any) -> Any:
    return [_each(function, item) for item in value] if isinstance(value, list) else function(value)
