import numpy as np
import pytest

from qatflow.backend import keras
from qatflow.errors import ParamsError
from qatflow.quantization.run import make
from qatflow.quantization.training import steps_of
from qatflow.tflite.runtime import Runner

layers = keras.layers
SHAPE = (8, 8, 2)


@pytest.fixture
def model(sequence, lively):
    stack = [layers.Conv2D(4, 3, name="c"), layers.ELU(name="elu"), layers.Conv2DTranspose(4, 3, name="up")]
    stack += [layers.GlobalAveragePooling2D(name="g"), layers.Dense(3, activation="softmax", name="d")]
    return lively(sequence(SHAPE, *stack))


def run(name, model, work, **settings):
    given = work(SHAPE, **settings)
    return make(name, model, given.data, given.settings, seed=given.seed)


def test_unknown_names_list_the_known_ones_and_the_nearest(model, work):
    with pytest.raises(ParamsError, match=r"Unknown quantization strategy .*ptq_w8a8.* Did you mean 'qat_w4a8'"):
        run("qat_w4a88", model, work)


@pytest.mark.parametrize(("name", "bits"), [("qat_w3a8", 3), ("ptq_w6a8", 6), ("qat_w16a16", 16)])
def test_widths_whose_grid_does_not_survive_are_refused_with_the_reason(model, work, name, bits):
    with pytest.raises(ParamsError, match=f"{bits}-bit weights, whose grid does not survive.*Known widths: 4, 8"):
        run(name, model, work)


@pytest.mark.slow
def test_what_is_treated_otherwise_is_said_and_the_rest_is_quantized(model, work, samples):
    found = run("ptq_w4a8", model, work)

    assert found.widths == {"c": 4, "d": 4}
    assert found.notes[0] == "up (Conv2DTranspose): trains in float, quantized by the converter"
    assert "tensors stay float" in found.notes[1]
    assert len(found.notes) == 2
    assert np.isfinite(Runner(found.flatbuffer).predict(samples(SHAPE))).all()


@pytest.mark.slow
def test_progress_and_history_tell_of_the_training(model, work):
    reports = []
    given = work(SHAPE, training={"epochs": 2})

    found = make(
        "qat_w8a8_per_channel", model, given.data, given.settings, seed=0, progress=lambda *it: reports.append(it)
    )

    assert [entry["epoch"] for entry in found.history] == [1, 2]
    assert reports[-1] == ("qat_w8a8_per_channel, epoch 2/2", 2 * steps_of(given), 2 * steps_of(given))
    assert found.strategy == "qat_w8a8_per_channel"


@pytest.mark.slow
def test_another_seed_gives_other_bytes(sequence, lively, work):
    model = lively(sequence((4,), layers.Dense(8, activation="relu", name="a"), layers.Dense(3, name="b")))
    given = work((4,), training={"learning_rate": 0.01})

    first, second = (make("qat_w4a8", model, given.data, given.settings, seed=seed).flatbuffer for seed in (0, 1))

    assert first != second
