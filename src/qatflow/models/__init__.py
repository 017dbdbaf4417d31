"""Float models: architectures by name, and users' own model files."""

from pathlib import Path

from qatflow.backend import keras
from qatflow.errors import lookup
from qatflow.models.autoencoder import autoencoder
from qatflow.models.base import Architecture
from qatflow.models.conv1d import conv1d
from qatflow.models.ds_cnn import ds_cnn
from qatflow.models.files import load_model_file
from qatflow.models.mlp import mlp
from qatflow.models.mobilenet_v1 import mobilenet_v1
from qatflow.models.mobilenet_v2 import mobilenet_v2
from qatflow.models.resnet8 import resnet8
from qatflow.models.small_cnn import small_cnn
from qatflow.models.user_model import fit_to_task
from qatflow.params.model import ModelParams

ARCHITECTURES: dict[str, Architecture] = {
    "autoencoder": autoencoder,
    "conv1d": conv1d,
    "ds_cnn": ds_cnn,
    "mlp": mlp,
    "mobilenet_v1": mobilenet_v1,
    "mobilenet_v2": mobilenet_v2,
    "resnet8": resnet8,
    "small_cnn": small_cnn,
}


def build(model: ModelParams, input_shape: tuple[int, ...], num_outputs: int, task: str) -> keras.Model:
    """Build an untrained model, or load the user's (`model.name` file).

    Args:
        model: Section `model` of params.yaml.
        input_shape: Shape of one sample.
        num_outputs: Classes, labels, target dimensions, or (task anomaly) elements of one sample.
        task: classification, multi_label, regression or anomaly.

    Raises:
        ModelError: If the architecture or the file does not suit the data or the task.
        ParamsError: If there is no such architecture.
    """
    if model.name == "file":
        return fit_to_task(load_model_file(Path(str(model.path))), input_shape, num_outputs, task)
    return lookup("model", model.name, ARCHITECTURES)(input_shape, num_outputs, model.width, task)
