"""One small classifier for each layer type, and a task that it can learn."""

from collections.abc import Callable
from typing import Any

import numpy as np

from qatflow.artifacts import Array
from qatflow.backend import keras
from qatflow.models.activations import hard_swish

layers = keras.layers

IMAGE, SEQUENCE, IDS = (8, 8, 3), (8, 6), (8,)
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
    """Return a model of layers one after another, with a softmax of `CLASSES` behind them."""
    x = inputs = layers.Input(shape, name="input")
    for layer in stack:
        x = layer(x)
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


def _slices() -> keras.Model:
    x = layers.Input(IMAGE, name="input")
    return _ending(x, _conv(activation="relu")(x)[:, 1:7, ::2])


def _adapted() -> Any:
    layer = layers.Normalization(name="layer")
    layer.adapt(samples(IMAGE, 100, 1)[0])
    return layer


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
"""Layer type -> shape of a sample and what builds the model."""
