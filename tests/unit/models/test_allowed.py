import pytest

from qatflow.backend import keras
from qatflow.errors import ModelError
from qatflow.models.activations import ALIASES
from qatflow.models.allowed import ACTIVATIONS, HELPERS, LAYERS, check_activation, check_class


@pytest.mark.parametrize("name", sorted(LAYERS))
def test_layers_are_keras_own(name):
    assert issubclass(getattr(keras.layers, name), keras.layers.Layer)


@pytest.mark.parametrize("name", sorted(HELPERS))
def test_helpers_are_keras_own(name):
    assert any(hasattr(module, name) for module in (keras.initializers, keras.regularizers, keras.constraints))


@pytest.mark.parametrize("name", sorted(ACTIVATIONS - ALIASES.keys()))
def test_activations_are_keras_own(name):
    assert callable(keras.activations.get(name))


@pytest.mark.parametrize("module", [None, "keras.layers", "tf_keras.src.layers", "tensorflow.python.keras.layers"])
@pytest.mark.parametrize("registered", [None, "Dense"])
def test_takes_layers_of_every_keras(module, registered):
    check_class("d", "Dense", module, registered)


@pytest.mark.parametrize("module", ["os", "keras_evil.layers", "", "mine.keras"])
def test_refuses_other_packages(module):
    with pytest.raises(ModelError, match="code of somebody else"):
        check_class("d", "Dense", module, None)


@pytest.mark.parametrize("kind", ["Lambda", "TFOpLambda", "StringLookup", "RNN", "function", "__lambda__"])
def test_refuses_other_classes(kind):
    with pytest.raises(ModelError, match=f"layer 'd' is a {kind}"):
        check_class("d", kind, "keras.layers", None)


@pytest.mark.parametrize(
    ("kind", "way"), [("LayerScale", "put a DepthwiseConv2D"), ("StochasticDepth", "leave it out")]
)
def test_layers_of_applications_own_are_named_with_what_is_instead(kind, way):
    with pytest.raises(ModelError, match=f"layer 'd' is a {kind}, .*{way}"):
        check_class("d", kind, "tf_keras.src.applications.convnext", None)


def test_an_unknown_layer_is_refused_in_one_sentence():
    with pytest.raises(ModelError, match=r"docs/coverage\.md lists\. Did you mean 'Conv2D'") as told:
        check_class("d", "Conv2d", "keras.layers", None)
    assert len(str(told.value)) < 200


def test_activation_may_be_absent():
    check_activation("d", None)
