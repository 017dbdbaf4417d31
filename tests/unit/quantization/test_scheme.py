import pytest

from qatflow.backend import keras
from qatflow.quantization.quantization_aware import w8a8
from qatflow.quantization.scheme import Scheme

layers = keras.layers


@pytest.fixture
def scheme():
    return Scheme(w8a8(per_channel=True), (layers.Conv2DTranspose,))


@pytest.mark.parametrize(
    ("layer", "supported"),
    [
        (layers.Conv2D(2, 3), True),
        (layers.Conv2D(2, 3, activation="relu"), True),
        (layers.Conv2D(2, 3, activation="elu"), False),
        (layers.Conv2D(2, 3, activation="relu6"), False),
        (layers.Activation("relu6"), True),
        (layers.Activation("elu"), False),
        (layers.Conv1D(2, 3), False),
        (layers.Conv2DTranspose(2, 3), False),
        (layers.Multiply(), False),
        (layers.Reshape((4,)), True),
    ],
)
def test_supports_what_tfmot_can_quantize(scheme, layer, supported):
    assert scheme.supports(layer) is supported


def test_annotates_known_layers_and_fused_batch_normalization_only(scheme, sequence):
    model = sequence(
        (6, 6, 1),
        layers.BatchNormalization(name="first"),
        layers.Conv2D(2, 3, name="conv"),
        layers.BatchNormalization(name="norm"),
        layers.PReLU(name="prelu"),
        layers.Flatten(name="flatten"),
    )

    annotated = scheme.annotate(model)

    plain = [layer.name for layer in annotated.layers if type(layer).__name__ != "QuantizeAnnotate"]
    assert plain == ["input", "first", "prelu"]
