"""What a model from outside may be made of: built-in Keras classes whose config is data and can hold no code.

Left out on purpose: Lambda (code), layers that read files (StringLookup, TextVectorization), and RNN, which takes cells
of any class. Operators between tensors have a list of their own, see `operators`.
"""

from qatflow.errors import ModelError

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
        raise ModelError(f"layer '{name}' is {module}.{kind}, code of somebody else; only Keras' own layers are loaded")
    if kind == "Lambda":
        raise ModelError(f"layer '{name}' is a Lambda, which holds code; replace it by built-in layers")
    if kind not in LAYERS | HELPERS | CONTAINERS | POLICIES:
        raise ModelError(
            f"layer '{name}' is a {kind}, which is not loaded from files. Known: {', '.join(sorted(LAYERS))}"
        )


def check_activation(name: str, activation: object) -> None:
    """Check the activation of a layer called `name`.

    Raises:
        ModelError: If it is not the name of a built-in activation.
    """
    if activation is not None and str(activation) not in ACTIVATIONS:
        raise ModelError(f"layer '{name}' has activation {activation!r}. Known: {', '.join(sorted(ACTIVATIONS))}")
