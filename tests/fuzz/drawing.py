"""Draws random but plausible Keras models, with data of their own: what strangers bring.

A model is a way of preparing the input, two to five blocks, and an ending; everything in it follows from one seed.
Models of Keras 3 and of tf_keras come in turn, since both are what people have.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass
class Draw:
    """What a seed says: choices, and which layers they led to.

    Attributes:
        keras: The package that builds: `keras` (3) or `tf_keras`.
        rng: Where every choice comes from.
        recipe: A line for each layer, as one would write it.
    """

    keras: Any
    rng: np.random.Generator
    recipe: list[str] = field(default_factory=list)

    def pick(self, *options: Any) -> Any:
        """Return one of the options; each is as likely."""
        return options[int(self.rng.integers(len(options)))]

    def chance(self, share: float) -> bool:
        """Return True in this share of the cases."""
        return bool(self.rng.random() < share)

    def layer(self, kind: str, *inputs: Any, **settings: Any) -> Any:
        """Build a layer of `keras.layers`, write it down and call it."""
        said = ", ".join(f"{key}={value!r}" for key, value in settings.items())
        self.recipe.append(f"{kind}({said})" + (f" of {len(inputs)}" if len(inputs) > 1 else ""))
        made = getattr(self.keras.layers, kind)(**settings)
        return made(inputs[0] if len(inputs) == 1 else list(inputs))


Block = Callable[[Draw, Any], Any]

ACTIVATIONS = ("relu", "relu", "relu", "relu6", "swish", "sigmoid", "tanh", "hard_sigmoid", "elu", "gelu", "linear")


def activation(draw: Draw, x: Any) -> Any:
    """An activation in one of the ways in which they are written."""
    way = draw.pick("Activation", "Activation", "ReLU", "LeakyReLU", "PReLU", "ELU")
    if way == "Activation":
        return draw.layer(way, x, activation=draw.pick(*ACTIVATIONS))
    if way == "ReLU":
        return draw.layer(way, x, **draw.pick({}, {"max_value": 6.0}))
    if way == "PReLU":
        return draw.layer(way, x, shared_axes=list(range(1, len(x.shape) - 1)) or None)
    return draw.layer(way, x)


def channels(draw: Draw) -> int:
    """A number of channels, odd ones too."""
    return int(draw.pick(3, 4, 5, 7, 8, 8, 12, 16))


def normalized(draw: Draw, x: Any) -> Any:
    """A batch normalization whose statistics move fast, as few steps train it."""
    return draw.layer("BatchNormalization", x, momentum=0.6, **draw.pick({}, {}, {"scale": False}, {"center": False}))


def _kernel(draw: Draw, x: Any) -> dict[str, Any]:
    """Kernel size, stride, dilation and padding that the input is large enough for."""
    least = min(x.shape[1:-1])
    size = int(draw.pick(*[k for k in (1, 2, 3, 3, 5) if k <= least]))
    stride = int(draw.pick(1, 1, 2)) if least >= 4 else 1
    dilation = int(draw.pick(1, 1, 1, 2)) if stride == 1 and (size - 1) * 2 < least else 1
    return {"kernel_size": size, "strides": stride, "dilation_rate": dilation, "padding": draw.pick("same", "valid")}


def convolution(draw: Draw, x: Any) -> Any:
    """A convolution of some kind, perhaps with batch normalization and activation behind it."""
    rank = len(x.shape) - 2
    settings = _kernel(draw, x) | {"use_bias": draw.chance(0.6)}
    kind = draw.pick("Conv", "Conv", "Conv", "DepthwiseConv", "SeparableConv", "Transpose")
    if kind in {"DepthwiseConv", "SeparableConv"} and settings["strides"] > 1:
        settings["dilation_rate"] = 1
    inside = {"activation": draw.pick("relu", "swish", "hard_sigmoid", "relu6")} if draw.chance(0.3) else {}
    if kind == "Transpose":
        settings["dilation_rate"] = 1
        x = draw.layer(f"Conv{rank}DTranspose", x, filters=channels(draw), **settings, **inside)
    elif kind == "DepthwiseConv":
        multiplier = draw.pick(1, 1, 2)
        x = draw.layer(f"DepthwiseConv{rank}D", x, depth_multiplier=multiplier, **settings, **inside)
    else:
        x = draw.layer(f"{kind}{rank}D", x, filters=channels(draw), **settings, **inside)
    if draw.chance(0.5):
        x = normalized(draw, x)
    return x if inside or draw.chance(0.3) else activation(draw, x)


def pooling(draw: Draw, x: Any) -> Any:
    """A pooling, where there is something left to pool."""
    if min(x.shape[1:-1]) < 3:
        return x
    kind = draw.pick("MaxPooling", "AveragePooling")
    return draw.layer(f"{kind}{len(x.shape) - 2}D", x, pool_size=2, padding=draw.pick("same", "valid"))


def reshaping(draw: Draw, x: Any) -> Any:
    """Padding, cropping, upsampling: layers that move values about."""
    rank = len(x.shape) - 2
    kind = draw.pick("ZeroPadding", "Cropping", "UpSampling")
    if kind == "UpSampling" and max(x.shape[1:-1]) <= 8:
        return draw.layer(f"UpSampling{rank}D", x, size=2)
    if kind == "Cropping" and min(x.shape[1:-1]) >= 4:
        return draw.layer(f"Cropping{rank}D", x, cropping=1)
    return draw.layer(f"ZeroPadding{rank}D", x, padding=1)


def residual(draw: Draw, x: Any) -> Any:
    """Two paths that meet again by arithmetic."""
    rank, width = len(x.shape) - 2, x.shape[-1]
    if rank == 0:
        left = draw.layer("Dense", x, units=width, activation=draw.pick("relu", "tanh", None))
    else:
        left = draw.layer(f"Conv{rank}D", x, filters=width, kernel_size=3, padding="same", use_bias=draw.chance(0.5))
        left = activation(draw, normalized(draw, left)) if draw.chance(0.7) else left
    merged = draw.layer(draw.pick("Add", "Add", "Add", "Subtract", "Multiply", "Average", "Maximum"), left, x)
    return activation(draw, merged) if draw.chance(0.5) else merged


def branches(draw: Draw, x: Any) -> Any:
    """Paths that end side by side."""
    rank = len(x.shape) - 2
    if rank == 0:
        paths = [draw.layer("Dense", x, units=channels(draw), activation=draw.pick("relu", "tanh")) for _ in range(2)]
    else:
        paths = [
            draw.layer(f"Conv{rank}D", x, filters=channels(draw), kernel_size=size, padding="same", activation="relu")
            for size in (1, 3)
        ]
    return draw.layer("Concatenate", *paths, *([x] if draw.chance(0.3) else []))


def squeeze_and_excite(draw: Draw, x: Any) -> Any:
    """Channels weighted by what the whole map holds, as in MobileNetV3."""
    rank, width = len(x.shape) - 2, x.shape[-1]
    seen = draw.layer(f"GlobalAveragePooling{rank}D", x, keepdims=True)
    seen = draw.layer(f"Conv{rank}D", seen, filters=max(2, width // 2), kernel_size=1, activation="relu")
    gate = draw.layer(
        f"Conv{rank}D", seen, filters=width, kernel_size=1, activation=draw.pick("sigmoid", "hard_sigmoid")
    )
    return draw.layer("Multiply", x, gate)


def called_twice(draw: Draw, x: Any) -> Any:
    """One layer with one set of weights, called twice."""
    rank, width = len(x.shape) - 2, x.shape[-1]
    kind, settings = (
        ("Dense", {"units": width}) if rank == 0 else (f"Conv{rank}D", {"filters": width, "kernel_size": 1})
    )
    draw.recipe.append(f"{kind}, called twice")
    shared = getattr(draw.keras.layers, kind)(activation="relu", **settings)
    return shared(shared(x))


def model_inside(draw: Draw, x: Any) -> Any:
    """A Sequential model as a layer."""
    layers, rank = draw.keras.layers, len(x.shape) - 2
    kernel = layers.Dense(channels(draw)) if rank == 0 else getattr(layers, f"Conv{rank}D")(channels(draw), 1)
    draw.recipe.append("a Sequential model inside")
    return draw.keras.Sequential([layers.Input(x.shape[1:]), kernel, layers.BatchNormalization(), layers.ReLU()])(x)


def regularized(draw: Draw, x: Any) -> Any:
    """Layers that do nothing at inference."""
    kind = draw.pick("Dropout", "GaussianNoise", "GaussianDropout")
    return draw.layer(kind, x, **({"stddev": 0.1} if kind == "GaussianNoise" else {"rate": 0.2}))


def scaled(draw: Draw, x: Any) -> Any:
    """A multiplication that a converter may fold, in the middle of a model."""
    return draw.layer("Rescaling", x, scale=draw.pick(0.1, 0.5, 3.0), offset=draw.pick(0.0, 0.0, 0.3))


def layer_norm(draw: Draw, x: Any) -> Any:
    """A layer normalization."""
    return draw.layer("LayerNormalization", x) if x.shape[-1] > 2 else x


def dense(draw: Draw, x: Any) -> Any:
    """A dense layer, on sequences too."""
    activated = {"activation": draw.pick("relu", None, "tanh")}
    x = draw.layer("Dense", x, units=channels(draw), use_bias=draw.chance(0.8), **activated)
    return normalized(draw, x) if draw.chance(0.3) else x


def recurrent(draw: Draw, x: Any) -> Any:
    """A recurrent layer that gives a sequence."""
    kind = draw.pick("LSTM", "GRU", "SimpleRNN")
    return draw.layer(kind, x, units=int(draw.pick(4, 6)), return_sequences=True)


def attention(draw: Draw, x: Any) -> Any:
    """Attention of a sequence to itself, with its residual connection."""
    draw.recipe.append("MultiHeadAttention(2, 4) + residual")
    seen = draw.keras.layers.MultiHeadAttention(2, 4)(x, x)
    return draw.keras.layers.Add()([x, seen])


COMMON = (residual, branches, called_twice, model_inside, regularized, scaled)
IMAGE = (convolution,) * 6 + (pooling, pooling, reshaping, squeeze_and_excite, layer_norm, *COMMON)
SEQUENCE = (convolution,) * 4 + (pooling, recurrent, attention, dense, layer_norm, *COMMON)
TABLE = (dense,) * 4 + (layer_norm, *COMMON)
BLOCKS: dict[str, tuple[Block, ...]] = {"image": IMAGE, "sequence": SEQUENCE, "table": TABLE}


def sample_shape(draw: Draw, kind: str) -> tuple[int, ...]:
    """The shape of a sample of this kind of data."""
    if kind == "image":
        return (int(draw.pick(7, 8, 10, 12)), int(draw.pick(7, 8, 10)), int(draw.pick(1, 3)))
    if kind == "sequence":
        return (int(draw.pick(6, 9, 12)), int(draw.pick(1, 2, 5)))
    return (int(draw.pick(4, 9, 16)),)
