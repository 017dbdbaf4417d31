"""One small classifier for each layer type, and a task that it can learn."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from qatflow.artifacts import Array
from qatflow.backend import keras
from qatflow.models.activations import hard_swish

layers = keras.layers

IMAGE, SEQUENCE, IDS, VOLUME = (8, 8, 3), (8, 6), (8,), (4, 4, 4, 3)
CLASSES = 3
VOCABULARY = 20


def samples(shape: tuple[int, ...], count: int, seed: int) -> tuple[Array, Array]:
    """Return inputs (count, *shape) float32 and classes (count,): a pattern a class in noise, or ids of a class."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, CLASSES, count)
    if shape == IDS:
        own = rng.integers(0, VOCABULARY // CLASSES, (count, *shape)) * CLASSES + y[:, None]
        return np.where(rng.random(own.shape) < 0.6, own, rng.integers(0, VOCABULARY, own.shape)).astype(np.float32), y
    patterns = np.random.default_rng(7).normal(size=(CLASSES, *shape))
    signal = 3.5 / np.sqrt(patterns[0].size)  # as hard for images as for sequences
    return (signal * patterns[y] + rng.normal(size=(count, *shape))).astype(np.float32), y


def classifier(shape: tuple[int, ...], *stack: Any) -> keras.Model:
    """Return a model of layers, or what makes them, one after another; a softmax of `CLASSES` is behind them."""
    x = inputs = layers.Input(shape, name="input")
    for layer in stack:
        x = (layer if isinstance(layer, layers.Layer) else layer())(x)
    return _ending(inputs, x)


def _ending(inputs: Any, x: Any) -> keras.Model:
    if len(x.shape) > 2:
        x = layers.Flatten(name="flatten")(x)
    return keras.Model(inputs, layers.Dense(CLASSES, activation="softmax", name="outputs")(x), name="classifier")


def _conv(name: str = "conv", **settings: Any) -> Any:
    return layers.Conv2D(8, 3, padding="same", name=name, **settings)


def _behind_conv(make: Callable[[], Any]) -> Callable[[], keras.Model]:
    return lambda: classifier(IMAGE, _conv(), make())


def _two_paths(merge: Callable[[Any, Any], Any]) -> Callable[[], keras.Model]:
    def build() -> keras.Model:
        x = layers.Input(IMAGE, name="input")
        return _ending(x, merge(_conv("left", activation="relu")(x), _conv("right", activation="relu")(x)))

    return build


def _attention() -> keras.Model:
    x = layers.Input(SEQUENCE, name="input")
    y = layers.Dense(8, name="embed")(x)
    y = layers.Add(name="add")([y, layers.MultiHeadAttention(2, 4, name="attention")(query=y, value=y)])
    return _ending(x, layers.LayerNormalization(name="norm")(y))


def _dot_attention(kind: Any) -> Callable[[], keras.Model]:
    def build() -> keras.Model:
        x = layers.Input(SEQUENCE, name="input")
        y = layers.Dense(8, name="query")(x)
        return _ending(x, kind(name="attention")([y, layers.Dense(8, name="value")(x)]))

    return build


def _shared() -> keras.Model:
    x = layers.Input(SEQUENCE, name="input")
    dense = layers.Dense(6, activation="relu", name="shared")
    return _ending(x, dense(dense(x)))


def _nested() -> keras.Model:
    inner = keras.Sequential(
        [layers.Input(IMAGE), _conv(use_bias=False), layers.BatchNormalization(name="bn")], "inner"
    )
    return classifier(IMAGE, inner, layers.ReLU(name="relu"))


def _masked() -> keras.Model:
    return classifier(IDS, layers.Embedding(VOCABULARY, 6, mask_zero=True, name="ids"), layers.LSTM(12, name="layer"))


def _dotted() -> keras.Model:
    x = layers.Input(SEQUENCE, name="input")
    return _ending(x, layers.Dot((2, 2), name="layer")([layers.Dense(8, name="a")(x), layers.Dense(8, name="b")(x)]))


def _augmented() -> keras.Model:
    return classifier(IMAGE, layers.RandomFlip(name="flip"), layers.RandomRotation(0.1, name="turn"), _conv())


def _slices() -> keras.Model:
    x = layers.Input(IMAGE, name="input")
    return _ending(x, _conv(activation="relu")(x)[:, 1:7, ::2])


def _adapted() -> Any:
    layer = layers.Normalization(name="layer")
    layer.adapt(samples(IMAGE, 100, 1)[0])
    return layer


ACTIVATIONS = ("elu", "exponential", "leaky_relu", "mish", "selu", "softmax", "softplus", "softsign")
BEHIND_CONV: dict[str, Callable[[], Any]] = {
    "Softmax": partial(layers.Softmax, name="layer"),
    "ThresholdedReLU": partial(layers.ThresholdedReLU, 0.2, name="layer"),
    "PReLU a value": partial(layers.PReLU, name="layer"),
    "Cropping2D": partial(layers.Cropping2D, name="layer"),
    "Permute": partial(layers.Permute, (2, 3, 1), name="layer"),
    "Reshape": partial(layers.Reshape, (4, 16, 8), name="layer"),
    "GroupNormalization": partial(layers.GroupNormalization, 4, name="layer"),
    "UnitNormalization": partial(layers.UnitNormalization, name="layer"),
    "Dropout": partial(layers.Dropout, 0.2, name="layer"),
    "SpatialDropout2D": partial(layers.SpatialDropout2D, 0.2, name="layer"),
    "GaussianNoise": partial(layers.GaussianNoise, 0.1, name="layer"),
    "GaussianDropout": partial(layers.GaussianDropout, 0.1, name="layer"),
    "AlphaDropout": partial(layers.AlphaDropout, 0.1, name="layer"),
    "ActivityRegularization": partial(layers.ActivityRegularization, l2=1e-4, name="layer"),
    "Conv2D dilated": partial(layers.Conv2D, 8, 3, dilation_rate=2, name="layer"),
    "Conv2D in groups": partial(layers.Conv2D, 8, 3, groups=4, name="layer"),
    "DepthwiseConv2D dilated": partial(layers.DepthwiseConv2D, 3, dilation_rate=2, name="layer"),
}


def _without_weights(rank: int) -> dict[str, Callable[[], Any]]:
    """Return the layers that only move values about, for samples of so many dimensions besides channels."""
    pooling = ("MaxPooling", "AveragePooling", "GlobalAveragePooling", "GlobalMaxPooling")
    kinds = [f"{kind}{rank}D" for kind in (*pooling, "ZeroPadding", "Cropping", "UpSampling")]
    return {kind: partial(getattr(layers, kind), name="layer") for kind in kinds}


ON_SEQUENCES: dict[str, Callable[[], Any]] = {
    "Conv1D causal, dilated": partial(layers.Conv1D, 8, 3, padding="causal", dilation_rate=2, name="layer"),
    "Conv1DTranspose": partial(layers.Conv1DTranspose, 8, 3, strides=2, name="layer"),
    "DepthwiseConv1D": partial(layers.DepthwiseConv1D, 3, depth_multiplier=2, name="layer"),
    **_without_weights(1),
    "SpatialDropout1D": partial(layers.SpatialDropout1D, 0.2, name="layer"),
    "EinsumDense": partial(layers.EinsumDense, "abc,cd->abd", (None, 8), bias_axes="d", name="layer"),
    "RepeatVector": lambda: keras.Sequential([layers.Flatten(), layers.Dense(8), layers.RepeatVector(3)], "layer"),
    "Bidirectional GRU": lambda: layers.Bidirectional(layers.GRU(8), name="layer"),
    "GRU, reset before": partial(layers.GRU, 12, reset_after=False, name="layer"),
    "LSTM returning sequences": partial(layers.LSTM, 12, return_sequences=True, name="layer"),
}
ON_VOLUMES: dict[str, Callable[[], Any]] = {
    "Conv3D": partial(layers.Conv3D, 4, 3, activation="relu", name="layer"),
    "Conv3DTranspose": partial(layers.Conv3DTranspose, 4, 2, name="layer"),
    **_without_weights(3),
}
"""Layer type -> what makes the layer, when the model is built."""

CASES: dict[str, tuple[tuple[int, ...], Callable[[], keras.Model]]] = {
    "Dense": (SEQUENCE, lambda: classifier(SEQUENCE, layers.Dense(8, activation="relu", name="layer"))),
    "Conv1D": (SEQUENCE, lambda: classifier(SEQUENCE, layers.Conv1D(8, 3, activation="relu", name="layer"))),
    "Conv2D": (IMAGE, lambda: classifier(IMAGE, _conv(activation="relu"))),
    "DepthwiseConv2D": (IMAGE, lambda: classifier(IMAGE, layers.DepthwiseConv2D(3, name="layer"))),
    "SeparableConv1D": (SEQUENCE, lambda: classifier(SEQUENCE, layers.SeparableConv1D(8, 3, name="layer"))),
    "SeparableConv2D": (IMAGE, lambda: classifier(IMAGE, layers.SeparableConv2D(8, 3, name="layer"))),
    "Conv2DTranspose": (IMAGE, lambda: classifier(IMAGE, layers.Conv2DTranspose(4, 3, strides=2, name="layer"))),
    "UpSampling2D nearest": (IMAGE, _behind_conv(lambda: layers.UpSampling2D(2, name="layer"))),
    "UpSampling2D bilinear": (IMAGE, _behind_conv(lambda: layers.UpSampling2D(2, interpolation="bilinear", name="l"))),
    "BatchNormalization behind Conv2D": (IMAGE, _behind_conv(lambda: layers.BatchNormalization(name="layer"))),
    "BatchNormalization alone": (IMAGE, lambda: classifier(IMAGE, layers.BatchNormalization(name="layer"), _conv())),
    "LayerNormalization": (IMAGE, _behind_conv(lambda: layers.LayerNormalization(name="layer"))),
    "Normalization": (IMAGE, lambda: classifier(IMAGE, _adapted(), _conv())),
    "Rescaling": (IMAGE, lambda: classifier(IMAGE, layers.Rescaling(2.0, 0.5, name="layer"), _conv())),
    "ReLU6": (IMAGE, _behind_conv(lambda: layers.ReLU(6.0, name="layer"))),
    "LeakyReLU": (IMAGE, _behind_conv(lambda: layers.LeakyReLU(name="layer"))),
    "PReLU": (IMAGE, _behind_conv(lambda: layers.PReLU(shared_axes=(1, 2), name="layer"))),
    "ELU": (IMAGE, _behind_conv(lambda: layers.ELU(name="layer"))),
    "sigmoid": (IMAGE, lambda: classifier(IMAGE, _conv(activation="sigmoid"))),
    "tanh": (IMAGE, lambda: classifier(IMAGE, _conv(activation="tanh"))),
    "swish": (IMAGE, lambda: classifier(IMAGE, _conv(activation="swish"))),
    "gelu": (IMAGE, lambda: classifier(IMAGE, _conv(activation="gelu"))),
    "hard-swish": (IMAGE, lambda: classifier(IMAGE, _conv(activation=hard_swish))),
    "hard_sigmoid": (IMAGE, lambda: classifier(IMAGE, _conv(activation="hard_sigmoid"))),
    "Add": (IMAGE, _two_paths(lambda a, b: layers.Add(name="layer")([a, b]))),
    "Subtract": (IMAGE, _two_paths(lambda a, b: layers.Subtract(name="layer")([a, b]))),
    "Multiply": (IMAGE, _two_paths(lambda a, b: layers.Multiply(name="layer")([a, b]))),
    "Average": (IMAGE, _two_paths(lambda a, b: layers.Average(name="layer")([a, b]))),
    "Maximum": (IMAGE, _two_paths(lambda a, b: layers.Maximum(name="layer")([a, b]))),
    "Concatenate": (IMAGE, _two_paths(lambda a, b: layers.Concatenate(name="layer")([a, b]))),
    "slicing": (IMAGE, _slices),
    "MaxPooling2D": (IMAGE, _behind_conv(lambda: layers.MaxPooling2D(name="layer"))),
    "AveragePooling2D": (IMAGE, _behind_conv(lambda: layers.AveragePooling2D(name="layer"))),
    "GlobalAveragePooling2D": (IMAGE, _behind_conv(lambda: layers.GlobalAveragePooling2D(name="layer"))),
    "GlobalMaxPooling2D": (IMAGE, _behind_conv(lambda: layers.GlobalMaxPooling2D(name="layer"))),
    "ZeroPadding2D": (IMAGE, lambda: classifier(IMAGE, layers.ZeroPadding2D(name="layer"), _conv())),
    "Embedding": (IDS, lambda: classifier(IDS, layers.Embedding(VOCABULARY, 6, name="layer"))),
    "Embedding, LSTM": (IDS, lambda: classifier(IDS, layers.Embedding(VOCABULARY, 6), layers.LSTM(12, name="layer"))),
    "Embedding with mask, LSTM": (IDS, _masked),
    "SimpleRNN": (SEQUENCE, lambda: classifier(SEQUENCE, layers.SimpleRNN(12, name="layer"))),
    "LSTM": (SEQUENCE, lambda: classifier(SEQUENCE, layers.LSTM(12, name="layer"))),
    "GRU": (SEQUENCE, lambda: classifier(SEQUENCE, layers.GRU(12, name="layer"))),
    "Bidirectional": (SEQUENCE, lambda: classifier(SEQUENCE, layers.Bidirectional(layers.LSTM(8), name="layer"))),
    "TimeDistributed": (SEQUENCE, lambda: classifier(SEQUENCE, layers.TimeDistributed(layers.Dense(6), name="layer"))),
    "MultiHeadAttention": (SEQUENCE, _attention),
    "Attention": (SEQUENCE, _dot_attention(layers.Attention)),
    "AdditiveAttention": (SEQUENCE, _dot_attention(layers.AdditiveAttention)),
    "model inside a model": (IMAGE, _nested),
    "layer called twice": (SEQUENCE, _shared),
}
CASES |= {
    **{name: (IMAGE, _behind_conv(partial(layers.Activation, name))) for name in ACTIVATIONS},
    **{name: (IMAGE, _behind_conv(make)) for name, make in BEHIND_CONV.items()},
    **{name: (SEQUENCE, partial(classifier, SEQUENCE, make)) for name, make in ON_SEQUENCES.items()},
    **{name: (VOLUME, partial(classifier, VOLUME, make)) for name, make in ON_VOLUMES.items()},
    "RandomFlip, RandomRotation": (IMAGE, _augmented),
    "Resizing": (IMAGE, lambda: classifier(IMAGE, layers.Resizing(6, 6, name="layer"), _conv())),
    "CenterCrop": (IMAGE, lambda: classifier(IMAGE, layers.CenterCrop(6, 6, name="layer"), _conv())),
    "Minimum": (IMAGE, _two_paths(lambda a, b: layers.Minimum(name="layer")([a, b]))),
    "Dot": (SEQUENCE, _dotted),
    "operators between tensors": (IMAGE, _two_paths(lambda a, b: (a - b) * 0.5 + a / 2.0)),
}
"""Layer type -> shape of a sample and what builds the model."""
