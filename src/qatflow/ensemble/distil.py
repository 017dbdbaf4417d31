"""One student for a whole ensemble: quantization-aware training towards the ensemble's answers."""

import numpy as np

from qatflow.artifacts import Array
from qatflow.backend import keras
from qatflow.errors import ModelError, ParamsError
from qatflow.quantization.base import Work
from qatflow.quantization.run import find_strategy, quantized_by
from qatflow.tflite.runtime import Runner


class FlatbufferTeacher:
    """A flatbuffer in the place of the float model that teaches in quantization-aware training.

    Args:
        model: The flatbuffer; an ensemble, or any other.

    Raises:
        ConversionError: If LiteRT refuses it.
    """

    def __init__(self, model: bytes) -> None:
        self._runner = Runner(model)
        self.input_shape = self._runner.input.shape
        self.output_shape = self._runner.output.shape

    def predict_on_batch(self, x: Array) -> Array:
        """Return outputs (n, *output_shape) float32 for model inputs (n, *input_shape) float32."""
        return self._runner.predict(np.asarray(x))


def distil(strategy: str, student: keras.Model, teacher: bytes, work: Work) -> bytes:
    """Return the flatbuffer of a student that was trained towards the teacher's answers.

    The share of those in its targets is `training.distillation` of the settings; see `quantization.distillation`.

    Args:
        strategy: Name of a strategy that trains.
        student: Float model to start from, of the data's shapes; stays as it is.
        teacher: Flatbuffer whose outputs are probabilities, real values, or reconstructions, as the student's.
        work: Data and settings.

    Raises:
        ParamsError: If there is no such strategy, it does not train, or the teacher would have no share.
        ModelError: If the teacher takes or gives other shapes than the student.
    """
    chosen, master = find_strategy(strategy), FlatbufferTeacher(teacher)
    if not chosen.trained:
        raise ParamsError(f"Strategy '{strategy}' does not train, so it cannot learn from a teacher; take one of qat_*")
    if not work.settings.training.distillation:
        raise ParamsError("quantize.training.distillation is 0, so that the teacher would have no say; 0.5 is usual")
    shapes = tuple(student.input_shape[1:]), tuple(student.output_shape[1:])
    if (master.input_shape, master.output_shape) != shapes:
        raise ModelError(
            f"The teacher takes {master.input_shape} and gives {master.output_shape}; "
            f"the student takes {shapes[0]} and gives {shapes[1]}"
        )
    keras.utils.set_random_seed(work.seed)
    quantized = quantized_by(chosen, student, work, master).quantized
    return chosen.convert(quantized, work.calibration())
