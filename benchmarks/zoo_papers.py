"""Small networks written from papers, each with the parts that made it known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qatflow.backend import keras

layers = keras.layers
IMAGE, SPEECH, SERIES = (32, 32, 3), (49, 10, 1), (64, 6)
CLASSES = 4


def _norm(x: Any, activation: str | None = "relu") -> Any:
    x = layers.BatchNormalization()(x)
    return layers.Activation(activation)(x) if activation else x


def _conv(x: Any, filters: int, size: int = 1, stride: int = 1, activation: str | None = "relu") -> Any:
    return _norm(layers.Conv2D(filters, size, stride, padding="same", use_bias=False)(x), activation)


def _depthwise(x: Any, size: int = 3, stride: int = 1, activation: str | None = "relu") -> Any:
    return _norm(layers.DepthwiseConv2D(size, stride, padding="same", use_bias=False)(x), activation)


def _network(shape: tuple[int, ...], body: Callable[[Any], Any], name: str) -> keras.Model:
    """Return a classifier: the body's maps are averaged over all places."""
    inputs = x = layers.Input(shape)
    x = body(x)
    while len(x.shape) > 2:
        pooling = layers.GlobalAveragePooling1D if len(x.shape) == 3 else layers.GlobalAveragePooling2D
        x = pooling()(x)
    return keras.Model(inputs, layers.Dense(CLASSES, activation="softmax")(x), name=name)


def lenet5() -> keras.Model:
    """LeCun et al., Proc. IEEE 86:2278, 1998."""
    tanh = {"activation": "tanh"}
    stack = [layers.Conv2D(6, 5, **tanh), layers.AveragePooling2D(), layers.Conv2D(16, 5, **tanh)]
    stack += [layers.AveragePooling2D(), layers.Conv2D(120, 5, **tanh), layers.Flatten(), layers.Dense(84, **tanh)]
    return keras.Sequential([layers.Input(IMAGE), *stack, layers.Dense(CLASSES, activation="softmax")], "lenet5")


def squeezenet() -> keras.Model:
    """Fire modules. Iandola et al., arXiv:1602.07360."""

    def fire(x: Any, squeeze: int) -> Any:
        x = layers.Conv2D(squeeze, 1, activation="relu")(x)
        wide = [layers.Conv2D(4 * squeeze, size, padding="same", activation="relu")(x) for size in (1, 3)]
        return layers.Concatenate()(wide)

    def body(x: Any) -> Any:
        x = layers.MaxPooling2D(3, 2)(layers.Conv2D(16, 3, 2, activation="relu")(x))
        x = fire(fire(x, 4), 4)
        x = layers.Dropout(0.1)(fire(layers.MaxPooling2D(3, 2)(x), 8))
        return layers.Conv2D(16, 1, activation="relu")(x)

    return _network(IMAGE, body, "squeezenet")


def shufflenet_v2() -> keras.Model:
    """Channel split and shuffle. Ma et al., ECCV 2018."""

    def shuffled(x: Any) -> Any:
        _, height, width, channels = x.shape
        x = layers.Reshape((height, width, 2, channels // 2))(x)
        return layers.Reshape((height, width, channels))(layers.Permute((1, 2, 4, 3))(x))

    def branch(x: Any, filters: int, stride: int) -> Any:
        return _conv(_depthwise(_conv(x, filters), stride=stride, activation=None), filters)

    def body(x: Any) -> Any:
        x = _conv(x, 12, 3, 2)
        left = _conv(_depthwise(x, stride=2, activation=None), 12)
        x = shuffled(layers.Concatenate()([left, branch(x, 12, 2)]))
        for _ in range(2):
            x = shuffled(layers.Concatenate()([x[:, :, :, :12], branch(x[:, :, :, 12:], 12, 1)]))
        return _conv(x, 32)

    return _network(IMAGE, body, "shufflenet_v2")


def ghostnet() -> keras.Model:
    """Half of the maps come cheaply from the other half. Han et al., CVPR 2020."""

    def ghost(x: Any, filters: int, activation: str | None = "relu") -> Any:
        primary = _conv(x, filters // 2, activation=activation)
        return layers.Concatenate()([primary, _depthwise(primary, activation=activation)])

    def body(x: Any) -> Any:
        x = _conv(x, 16, 3, 2)
        for expanded in (32, 48):
            x = layers.Add()([x, ghost(excited(ghost(x, expanded), 8, "hard_sigmoid"), 16, None)])
        return _conv(x, 32)

    return _network(IMAGE, body, "ghostnet")


def excited(x: Any, reduced: int, gate: str = "sigmoid") -> Any:
    """Weight channels by what the whole map holds. Hu et al., CVPR 2018."""
    weights = layers.GlobalAveragePooling2D(keepdims=True)(x)
    weights = layers.Conv2D(reduced, 1, activation="relu")(weights)
    return layers.Multiply()([x, layers.Conv2D(x.shape[-1], 1, activation=gate)(weights)])


def _inverted(x: Any, filters: int, expand: int, size: int, stride: int, act: str) -> Any:
    """Inverted residual (Sandler et al., CVPR 2018), with swish also an excitation (Tan and Le, ICML 2019)."""
    y = _depthwise(_conv(x, expand * x.shape[-1], activation=act), size, stride, act)
    y = _conv(excited(y, x.shape[-1] // 4) if act == "swish" else y, filters, activation=None)
    return layers.Add()([x, y]) if stride == 1 and filters == x.shape[-1] else y


def mcunet() -> keras.Model:
    """Inverted residuals of many kernel sizes and ratios. Lin et al., NeurIPS 2020."""

    def body(x: Any) -> Any:
        x = _conv(x, 8, 3, 2, "relu6")
        for filters, expand, size, stride in ((8, 3, 7, 1), (12, 4, 5, 2), (12, 5, 3, 1), (20, 6, 7, 2)):
            x = _inverted(x, filters, expand, size, stride, "relu6")
        return x

    return _network(IMAGE, body, "mcunet")


def efficientnet_block() -> keras.Model:
    """Inverted residuals with swish and excitation. Tan and Le, ICML 2019."""

    def body(x: Any) -> Any:
        x = _conv(layers.Rescaling(1 / 255)(x), 8, 3, 2, "swish")
        for filters, expand, stride in ((8, 4, 1), (16, 4, 2), (16, 6, 1)):
            x = _inverted(x, filters, expand, 3, stride, "swish")
        return layers.Dropout(0.1)(_conv(x, 32, activation="swish"))

    return _network(IMAGE, body, "efficientnet_block")


def unet_classifier() -> keras.Model:
    """Encoder and decoder with connections across. Ronneberger et al., MICCAI 2015."""

    def body(x: Any) -> Any:
        first = _conv(x, 8, 3)
        second = _conv(layers.MaxPooling2D()(first), 12, 3)
        deep = _conv(layers.MaxPooling2D()(second), 16, 3)
        up = layers.Concatenate()([second, layers.Conv2DTranspose(12, 2, 2)(deep)])
        up = layers.Concatenate()([first, layers.UpSampling2D(interpolation="bilinear")(_conv(up, 12, 3))])
        return _conv(up, 8, 3)

    return _network(IMAGE, body, "unet_classifier")


def convmixer() -> keras.Model:
    """Patches, depthwise residuals, GELU before batch normalization. Trockman and Kolter, TMLR 2023."""

    def body(x: Any) -> Any:
        x = layers.BatchNormalization()(layers.Conv2D(24, 4, 4, activation="gelu")(x))
        for _ in range(3):
            y = layers.DepthwiseConv2D(5, padding="same", activation="gelu")(x)
            x = layers.Add()([layers.BatchNormalization()(y), x])
            x = layers.BatchNormalization()(layers.Conv2D(24, 1, activation="gelu")(x))
        return x

    return _network(IMAGE, body, "convmixer")


def _patches(x: Any, width: int) -> Any:
    x = layers.Conv2D(width, 8, 8)(x)
    return layers.Reshape((x.shape[1] * x.shape[2], width))(x)


def mlp_mixer() -> keras.Model:
    """Dense layers over places and over channels in turn. Tolstikhin et al., NeurIPS 2021."""

    def dense(x: Any, hidden: int) -> Any:
        return layers.Dense(x.shape[-1])(layers.Dense(hidden, activation="gelu")(x))

    def body(x: Any) -> Any:
        x = _patches(x, 24)
        for _ in range(2):
            across = layers.Permute((2, 1))(layers.LayerNormalization()(x))
            x = layers.Add()([x, layers.Permute((2, 1))(dense(across, 32))])
            x = layers.Add()([x, dense(layers.LayerNormalization()(x), 48)])
        return layers.LayerNormalization()(x)

    return _network(IMAGE, body, "mlp_mixer")


def vision_transformer() -> keras.Model:
    """Patches with places, attention and dense layers, normalized before. Dosovitskiy et al., ICLR 2021."""

    def body(x: Any) -> Any:
        x = layers.LayerNormalization()(_patches(x, 24))
        for _ in range(2):
            y = layers.LayerNormalization()(x)
            x = layers.Add()([x, layers.MultiHeadAttention(2, 12)(y, y)])
            y = layers.Dense(48, activation="gelu")(layers.LayerNormalization()(x))
            x = layers.Add()([x, layers.Dense(24)(y)])
        return layers.LayerNormalization()(x)

    return _network(IMAGE, body, "vision_transformer")


def bc_resnet() -> keras.Model:
    """Residuals over time that are broadcast over frequency. Kim et al., Interspeech 2021."""

    def block(x: Any, filters: int, stride: int = 1) -> Any:
        wide = _conv(x, filters) if x.shape[-1] != filters else x
        y = layers.DepthwiseConv2D((1, 3), (1, stride) if stride == 1 else stride, padding="same")(wide)
        y = layers.BatchNormalization()(y)
        time = layers.AveragePooling2D((1, y.shape[2]))(y)
        time = _norm(layers.DepthwiseConv2D((3, 1), padding="same", use_bias=False)(time), "swish")
        y = layers.Add()([y, layers.SpatialDropout2D(0.1)(layers.Conv2D(filters, 1)(time))])
        return layers.ReLU()(layers.Add()([y, wide]) if stride == 1 else y)

    return _network(SPEECH, lambda x: block(block(block(_conv(x, 8, 5, (2, 1)), 8), 12, 2), 12), "bc_resnet")


def temporal_convolutions() -> keras.Model:
    """Dilated causal convolutions with residuals. Bai et al., arXiv:1803.01271."""

    def body(x: Any) -> Any:
        for dilation in (1, 2, 4, 8):
            y = layers.Conv1D(12, 3, padding="causal", dilation_rate=dilation, activation="relu")(x)
            y = layers.Conv1D(12, 3, padding="causal", dilation_rate=dilation, activation="relu")(
                layers.Dropout(0.1)(y)
            )
            x = layers.ReLU()(layers.Add()([layers.Conv1D(12, 1)(x) if x.shape[-1] != 12 else x, y]))
        return x

    return _network(SERIES, body, "temporal_convolutions")


PAPERS: dict[str, tuple[tuple[int, ...], Callable[[], keras.Model]]] = {
    "LeNet-5": (IMAGE, lenet5),
    "SqueezeNet": (IMAGE, squeezenet),
    "ShuffleNetV2": (IMAGE, shufflenet_v2),
    "GhostNet": (IMAGE, ghostnet),
    "MCUNet": (IMAGE, mcunet),
    "EfficientNet blocks": (IMAGE, efficientnet_block),
    "U-Net classifier": (IMAGE, unet_classifier),
    "ConvMixer": (IMAGE, convmixer),
    "MLP-Mixer": (IMAGE, mlp_mixer),
    "ViT": (IMAGE, vision_transformer),
    "BC-ResNet": (SPEECH, bc_resnet),
    "TCN": (SERIES, temporal_convolutions),
}
"""Name -> shape of a sample and what builds the network."""
