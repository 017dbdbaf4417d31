import numpy as np
import pytest

from qatflow.errors import ModelError, ParamsError
from qatflow.params.pretrain import PretrainParams
from qatflow.params.quantize import QatParams, QuantizeParams
from qatflow.tflite.runtime import Runner

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def student(digits):
    """A float model that has seen two epochs."""
    from qatflow.backend import start
    from qatflow.models import ARCHITECTURES
    from qatflow.training.fit import fit

    start(3)
    model = ARCHITECTURES["mlp"](digits.input_shape, digits.num_outputs, 1.0, digits.task)
    fit(model, digits, PretrainParams(epochs=2), 3, "student")
    return model


@pytest.fixture
def work(digits):
    from qatflow.quantization.base import Work

    def make(share=1.0, epochs=4):
        training = QatParams(epochs=epochs, distillation=share, learning_rate=0.002)
        return Work(digits, QuantizeParams(training=training), 1)

    return make


def agreement(model, teacher, x):
    return np.mean(Runner(model).predict(x).argmax(axis=1) == Runner(teacher).predict(x).argmax(axis=1))


def test_targets_are_the_teachers_outputs(golden, digits):
    from qatflow.ensemble.distil import FlatbufferTeacher
    from qatflow.quantization.distillation import answers

    x, _ = digits.train.arrays()

    targets = answers(FlatbufferTeacher(golden["int8"]), digits.train)

    assert np.array_equal(targets, Runner(golden["int8"]).predict(x))


def test_the_student_comes_to_answer_as_the_teacher(golden, digits, student, work):
    from qatflow.ensemble.distil import distil
    from qatflow.tflite.convert import convert_float

    x, _ = digits.train.arrays()
    before = agreement(convert_float(student), golden["float32"], x)

    learned = distil("qat_w8a8_per_channel", student, golden["float32"], work())

    assert before < 0.9
    assert agreement(learned, golden["float32"], x) > before + 0.05
    assert Runner(learned).input.dtype == "int8"


def test_what_cannot_be_distilled_is_refused(golden, student, work):
    from qatflow.ensemble.distil import distil

    with pytest.raises(ParamsError, match="'ptq_w8a8' does not train"):
        distil("ptq_w8a8", student, golden["int8"], work())
    with pytest.raises(ParamsError, match="distillation is 0"):
        distil("qat_w8a8_per_channel", student, golden["int8"], work(share=0.0))
    with pytest.raises(ModelError, match=r"The teacher takes \(64,\) and gives \(1,\); the student takes \(8, 8, 1\)"):
        distil("qat_w8a8_per_channel", student, golden["regressor"], work())
