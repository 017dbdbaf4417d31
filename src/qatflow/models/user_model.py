"""Fits a user's model to the data and the task."""

from functools import partial
from typing import Any

from qatflow.backend import keras
from qatflow.errors import ModelError
from qatflow.models.activations import activation_of, passes_on
from qatflow.models.group_norm import without_group_norms
from qatflow.models.rebuild import copied, holds_graph, rebuild
from qatflow.models.unroll import rolled

Shape = tuple[int, ...]
PASSING = (
    keras.layers.ActivityRegularization,
    keras.layers.Dropout,
    keras.layers.Flatten,
    keras.layers.Identity,
    keras.layers.Reshape,
)
"""Layers that leave values as they are when a model is asked."""


def fit_to_task(model: keras.Model, input_shape: Shape, num_outputs: int, task: str) -> keras.Model:
    """Return a model of one input (n, *input_shape) and one output for the task.

    A classifier that ends in logits gets what makes probabilities of them behind it: a softmax, or a sigmoid where a
    single unit tells two classes apart, and for several labels. Recurrent layers that are written out become loops.
    Where one of several classes is right, sigmoids become a softmax. Group normalization is written anew.

    Raises:
        ModelError: If the model has other inputs or outputs.
    """
    check_shapes(model)
    model = without_group_norms(rolled(model))
    outputs = input_shape if task == "anomaly" else (num_outputs,)
    taken, given = (tuple(tensor.shape[1:]) for tensor in (model.inputs[0], model.outputs[0]))
    one = task == "classification" and given == (1,)
    if taken != input_shape:
        raise ModelError(f"the model takes {taken}, but {task} on these data needs {input_shape}")
    if given != outputs and not (one and num_outputs == 2):
        more = ": one unit tells two classes apart, end in one unit for each" if one else ""
        raise ModelError(f"the model gives {given}, but {task} on these data needs {outputs}{more}")
    return _with_probabilities(model, task, one_unit=one)


def _with_probabilities(model: keras.Model, task: str, *, one_unit: bool) -> keras.Model:
    end = end_of(model)
    if task == "multi_label" and end == "softmax":
        raise ModelError("the model ends in a softmax, which gives one label a sample; several need a sigmoid")
    if one_unit and end == "softmax":
        raise ModelError("the model ends in a softmax of one unit, which is always 1; end in one sigmoid unit")
    wanted = {"classification": "sigmoid" if one_unit else "softmax", "multi_label": "sigmoid"}.get(task, end)
    if end == wanted:
        return model
    if end == "sigmoid":
        return _softmax_instead(model)
    last = keras.layers.Softmax if wanted == "softmax" else partial(keras.layers.Activation, wanted)
    return keras.Model(model.inputs, last(name="probabilities")(model.outputs[0]), name=model.name)


def check_shapes(model: keras.Model) -> None:
    """Check that a model takes one tensor and gives one, both of a fixed shape but for the batch.

    Raises:
        ModelError: If it is not so.
    """
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        more = ""
        if len(model.inputs) > 1:
            more += ": join the inputs to one array, and take it apart in the model by x[:, :k] and x[:, k:]"
        if len(model.outputs) > 1:
            more += ": quantize each output alone, as keras.Model(model.inputs, model.outputs[0])"
        raise ModelError(
            f"the model has {len(model.inputs)} inputs and {len(model.outputs)} outputs; one of each is right{more}"
        )
    for what, tensor in (("takes", model.inputs[0]), ("gives", model.outputs[0])):
        if None in tensor.shape[1:]:
            raise ModelError(f"the model {what} {tuple(tensor.shape[1:])}; TFLite needs a number in place of each None")


def end_of(model: keras.Model) -> str:
    """Return the activation that the outputs come from: `softmax`, `sigmoid`, `linear`, ..."""
    return activation_of(_last_layer(model.outputs[0]))


def _last_layer(output: Any) -> Any:
    """Return the layer that computes an output, before those that only pass it on."""
    node = output.node
    if holds_graph(node.layer):
        return _last_layer(node.layer.outputs[0])
    passed = passes_on(node.layer) or isinstance(node.layer, PASSING)
    return _last_layer(node.keras_inputs[0]) if passed else node.layer


def _softmax_instead(model: keras.Model) -> keras.Model:
    """Return a model whose last sigmoids are a softmax: the highest output stays the highest."""
    last = _last_layer(model.outputs[0])
    return rebuild(model, lambda layer: [copied(layer, **({"activation": "softmax"} if layer is last else {}))])
