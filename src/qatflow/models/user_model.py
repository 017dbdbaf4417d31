"""Fits a user's model to the data and the task."""

from qatflow.backend import keras
from qatflow.errors import ModelError


def fit_to_task(model: keras.Model, input_shape: tuple[int, ...], num_outputs: int, task: str) -> keras.Model:
    """Return a model of one input (n, *input_shape) and one output for the task.

    A classifier that ends in logits gets a softmax behind it.

    Raises:
        ModelError: If the model has other inputs or outputs.
    """
    check_shapes(model)
    outputs = input_shape if task == "anomaly" else (num_outputs,)
    for what, found, wanted in (("takes", model.inputs[0], input_shape), ("gives", model.outputs[0], outputs)):
        if tuple(found.shape[1:]) != wanted:
            raise ModelError(f"the model {what} {tuple(found.shape[1:])}, but {task} on these data needs {wanted}")
    if task != "classification" or ends_in_softmax(model):
        return model
    return keras.Model(model.inputs, keras.layers.Softmax(name="probabilities")(model.outputs[0]), name=model.name)


def check_shapes(model: keras.Model) -> None:
    """Check that a model takes one tensor and gives one, both of a fixed shape but for the batch.

    Raises:
        ModelError: If it is not so.
    """
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise ModelError(
            f"the model has {len(model.inputs)} inputs and {len(model.outputs)} outputs; one of each is right"
        )
    for what, tensor in (("takes", model.inputs[0]), ("gives", model.outputs[0])):
        if None in tensor.shape[1:]:
            raise ModelError(f"the model {what} {tuple(tensor.shape[1:])}; TFLite needs a number in place of each None")


def ends_in_softmax(model: keras.Model) -> bool:
    """Tell whether the outputs are class probabilities."""
    last = model.get_layer(model.output_names[0])
    if isinstance(last, keras.Model):
        return ends_in_softmax(last)
    return isinstance(last, keras.layers.Softmax) or last.get_config().get("activation") == "softmax"
