import numpy as np
import pytest

from qatflow.backend import keras, start
from qatflow.models import ARCHITECTURES
from qatflow.models.backbones import features, with_new_head
from qatflow.params.training import TrainingParams
from qatflow.params.transfer import TransferParams
from qatflow.training.fit import fit
from qatflow.training.transfer import fine_tune, unfrozen

layers = keras.layers
PARAMS = TransferParams(head_epochs=1, epochs=2, batch_size=32, learning_rate=0.01, schedule="constant")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def pretrained(digits):
    start(0)
    model = ARCHITECTURES["small_cnn"](digits.input_shape, digits.num_outputs, 0.25, "classification")
    fit(model, digits, TrainingParams(epochs=8, batch_size=16, learning_rate=0.01), 0, "pretraining")
    return model


@pytest.fixture
def model(pretrained, digits):
    start(0)
    return with_new_head(features(pretrained), digits.input_shape, digits.num_outputs, digits.task)


def weights(model):
    return {layer.name: layer.get_weights() for layer in model.layers if layer.weights}


def changed(before, model):
    after = weights(model)
    return [name for name in before if not all(map(np.array_equal, before[name], after[name]))]


def test_the_first_phase_trains_the_head_alone(model, digits):
    before = weights(model)

    history = fine_tune(model, digits, PARAMS.model_copy(update={"epochs": 0}), 0)

    assert changed(before, model) == ["outputs"]
    assert [row["epoch"] for row in history] == [1]
    assert all(layer.trainable for layer in model.layers)


@pytest.mark.parametrize(("unfreeze", "batch_norm"), [(1.0, "freeze"), (1.0, "train"), (0.5, "train"), (0.0, "train")])
def test_the_second_phase_trains_the_last_share_of_the_backbone(model, digits, unfreeze, batch_norm):
    params = PARAMS.model_copy(update={"unfreeze": unfreeze, "batch_norm": batch_norm})
    before, expected = weights(model), [layer.name for layer in unfrozen(model.layers[:-1], params)]

    history = fine_tune(model, digits, params, 0)

    assert len(history) == (1 if unfreeze == 0 else 3)
    assert set(changed(before, model)) == {*expected, "outputs"}


def test_batch_normalization_stays_as_it_was_if_asked(model):
    weighted = [layer for layer in model.layers[:-1] if layer.weights]

    everything, frozen, half, none = (
        unfrozen(model.layers[:-1], PARAMS.model_copy(update={"unfreeze": share, "batch_norm": policy}))
        for share, policy in ((1.0, "train"), (1.0, "freeze"), (0.5, "train"), (0.0, "train"))
    )

    assert everything == weighted
    assert frozen == [layer for layer in weighted if not isinstance(layer, layers.BatchNormalization)]
    assert half == weighted[len(weighted) // 2 :]
    assert none == []


def test_a_second_phase_that_harms_is_taken_back(model, digits):
    params = PARAMS.model_copy(
        update={"head_epochs": 6, "optimizer": "sgd", "learning_rate": 1.0, "backbone_rate": 1.0}
    )

    losses = [row["val_loss"] for row in fine_tune(model, digits, params, 0)]

    assert min(losses[:6]) < min(losses[6:])
    x, y = digits.val.arrays()
    assert model.evaluate(x, y, verbose=0)[0] == pytest.approx(min(losses), rel=1e-4)
