"""What a model from outside may be made of: built-in Keras classes whose config is data and can hold no code.

What is left out on purpose is in `INSTEAD`, with what to do. Operators between tensors have a list of their own, see
`operators`.
"""

from qatflow.errors import ModelError, nearest

CONTAINERS = frozenset({"Functional", "Model", "Sequential"})
FAMILIES = (
    "AveragePooling",
    "Conv",
    "Cropping",
    "GlobalAveragePooling",
    "GlobalMaxPooling",
    "MaxPooling",
    "SpatialDropout",
    "UpSampling",
    "ZeroPadding",
)
"""Layers that exist for 1, 2 and 3 dimensions: Conv1D, Conv2D, Conv3D."""
LAYERS = frozenset(
    {f"{family}{rank}D" for family in FAMILIES for rank in (1, 2, 3)}
    | {f"Conv{rank}DTranspose" for rank in (1, 2, 3)}
    | {
        "Activation",
        "ActivityRegularization",
        "Add",
        "AdditiveAttention",
        "AlphaDropout",
        "Attention",
        "Average",
        "BatchNormalization",
        "Bidirectional",
        "CenterCrop",
        "Concatenate",
        "Dense",
        "DepthwiseConv1D",
        "DepthwiseConv2D",
        "Dot",
        "Dropout",
        "ELU",
        "EinsumDense",
        "Embedding",
        "Flatten",
        "GRU",
        "GaussianDropout",
        "GaussianNoise",
        "GroupNormalization",
        "Identity",
        "InputLayer",
        "LSTM",
        "LayerNormalization",
        "LeakyReLU",
        "Maximum",
        "Minimum",
        "MultiHeadAttention",
        "Multiply",
        "Normalization",
        "PReLU",
        "Permute",
        "ReLU",
        "RepeatVector",
        "Rescaling",
        "Reshape",
        "Resizing",
        "SeparableConv1D",
        "SeparableConv2D",
        "SimpleRNN",
        "Softmax",
        "Subtract",
        "ThresholdedReLU",
        "TimeDistributed",
        "UnitNormalization",
    }
)
HELPERS = frozenset(
    {
        "Constant",
        "GlorotNormal",
        "GlorotUniform",
        "HeNormal",
        "HeUniform",
        "LecunNormal",
        "LecunUniform",
        "Ones",
        "Identity",
        "Orthogonal",
        "RandomNormal",
        "RandomUniform",
        "TruncatedNormal",
        "VarianceScaling",
        "Zeros",
        "L1",
        "L1L2",
        "L2",
        "OrthogonalRegularizer",
        "MaxNorm",
        "MinMaxNorm",
        "NonNeg",
        "RadialConstraint",
        "UnitNorm",
    }
)
"""Initializers, regularizers and constraints."""
OPERATORS = frozenset({"TFOpLambda", "SlicingOpLambda"})
"""How tf_keras writes operators between tensors."""
_TEXTS = "which takes texts or looks values up, as no TFLite model for devices does; "
_BEFORE = "do it to the data before they come, and give the model that begins behind it, keras.Model(layer.output, ...)"
_PIPELINES = (
    "which is no fixed computation in TFLite; do it to the data before they come, and leave it out of the model"
)
INSTEAD = {
    "Lambda": "which holds code; replace it by built-in layers, such as Rescaling for arithmetic",
    **dict.fromkeys(
        ("CategoryEncoding", "Discretization", "HashedCrossing", "Hashing", "IntegerLookup", "StringLookup"),
        _TEXTS + _BEFORE,
    ),
    "TextVectorization": _TEXTS + _BEFORE,
    **dict.fromkeys(("AutoContrast", "Equalization", "MelSpectrogram", "Pipeline", "STFTSpectrogram"), _PIPELINES),
    "RandomCrop": "whose output when the model is asked differs between versions of Keras; replace it by CenterCrop or "
    "Resizing, which have no weights",
    "LayerScale": "a class of ConvNeXt's own, which multiplies each channel by its gamma; put a "
    "DepthwiseConv2D(1, use_bias=False) in its place, with gamma as its kernel (1, 1, channels, 1)",
    "StochasticDepth": "a class of ConvNeXt's own, which drops samples in training and passes them on when asked; "
    "leave it out",
    "RNN": "which takes cells of any class; use LSTM, GRU or SimpleRNN",
}
"""Layers that are not taken, and what is instead."""
POLICIES = frozenset({"DTypePolicy", "Policy"})
PACKAGES = frozenset({"keras", "tf_keras", "tensorflow"})
ACTIVATIONS = frozenset(
    {
        "elu",
        "exponential",
        "gelu",
        "hard_sigmoid",
        "hard_sigmoid_keras3",
        "hard_silu",
        "hard_swish",
        "leaky_relu",
        "linear",
        "mish",
        "relu",
        "relu6",
        "selu",
        "sigmoid",
        "silu",
        "softmax",
        "softplus",
        "softsign",
        "swish",
        "tanh",
    }
)


def check_class(name: str, kind: object, module: object, registered: object) -> None:
    """Check the class of a layer or helper called `name`.

    Raises:
        ModelError: If it is not a class of the lists above in Keras' own packages.
    """
    package = str(module).partition(".")[0] if module is not None else "keras"
    if package not in PACKAGES or registered not in {None, kind}:
        raise ModelError(
            f"layer '{name}' is {module}.{kind}, code of somebody else; only Keras' own layers are loaded: build it of "
            "those, or cut the model in front of it"
        )
    if kind in INSTEAD:
        raise ModelError(f"layer '{name}' is a {kind}, {INSTEAD[str(kind)]}")
    if kind not in LAYERS | HELPERS | CONTAINERS | POLICIES:
        raise ModelError(
            f"layer '{name}' is a {kind}, which is not loaded from files; build what it does of layers that are, "
            f"which docs/coverage.md lists.{nearest(str(kind), sorted(LAYERS))}"
        )


def subclassed(kind: object) -> str:
    """Say that a model is of a class of its own, and the way out."""
    return (
        f"it is a subclassed model ({kind}): which layer reads which is written in Python, which no file holds; "
        "make it a Functional one, by x = keras.Input(shape) and keras.Model(x, model.call(x))"
    )


def check_activation(name: str, activation: object) -> None:
    """Check the activation of a layer called `name`.

    Raises:
        ModelError: If it is not the name of a built-in activation.
    """
    if activation is not None and str(activation) not in ACTIVATIONS:
        raise ModelError(f"layer '{name}' has activation {activation!r}. Known: {', '.join(sorted(ACTIVATIONS))}")
