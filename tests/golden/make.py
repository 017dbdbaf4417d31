"""Makes the golden flatbuffers beside it once, with TensorFlow; the tests only read them.

    .venv/bin/python tests/golden/make.py

All are trained on scikit-learn's digits, pixels divided by 16: `float32`, `float16`, `int8` and `int4` classify
(8, 8, 1) images into 10 classes, `regressor` names the mean brightness, `autoencoder` repeats the image.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import tensorflow_model_optimization as tfmot
from sklearn.datasets import load_digits

from qatflow.backend import keras, start, tf

HERE = Path(__file__).parent
Images = npt.NDArray[np.float32]
N_BIT = tfmot.quantization.keras.experimental.default_n_bit


def small_cnn() -> keras.Model:
    """Return a network with each of the three kinds of weight operators."""
    return keras.Sequential(
        [
            keras.layers.Conv2D(8, 3, activation="relu", input_shape=(8, 8, 1), name="conv"),
            keras.layers.DepthwiseConv2D(3, activation="relu", name="depthwise"),
            keras.layers.Flatten(name="flatten"),
            keras.layers.Dense(10, activation="softmax", name="classes"),
        ],
        name="golden",
    )


def trained(model: keras.Model, x: Images, y: npt.NDArray[np.generic], loss: str, epochs: int) -> keras.Model:
    """Fit the model in place."""
    model.compile(keras.optimizers.Adam(0.003), loss)
    model.fit(x, y, batch_size=64, epochs=epochs, verbose=0)
    return model


def quantized(model: keras.Model, x: Images) -> bytes:
    """Convert to int8 inputs, outputs and activations; weights get 8 bit unless fake quantizers say otherwise."""
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([row[None]] for row in x[:200])
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    return bytes(converter.convert())


def floating(model: keras.Model, *, half: bool = False) -> bytes:
    """Convert without quantization; `half` stores weights as float16."""
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    if half:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_types = [tf.float16]
    return bytes(converter.convert())


def four_bit(model: keras.Model, x: Images, y: npt.NDArray[np.generic]) -> keras.Model:
    """Return the model after two epochs of 4-bit quantization-aware training with tfmot's stock n-bit scheme."""
    quantize = tfmot.quantization.keras
    scheme = N_BIT.DefaultNBitQuantizeScheme(num_bits_weight=4)
    aware = quantize.quantize_apply(quantize.quantize_annotate_model(model), scheme)
    return trained(aware, x, y, "sparse_categorical_crossentropy", 2)


def models() -> Iterator[tuple[str, Callable[[], bytes]]]:
    """Yield name and maker of every golden model."""
    digits = load_digits()
    x = (digits.images[..., None] / 16).astype(np.float32)
    flat = x.reshape(len(x), -1)
    classifier = trained(small_cnn(), x, digits.target, "sparse_categorical_crossentropy", 15)
    yield "float32", lambda: floating(classifier)
    yield "float16", lambda: floating(classifier, half=True)
    yield "int8", lambda: quantized(classifier, x)
    yield "int4", lambda: quantized(four_bit(classifier, x, digits.target), x)
    regressor = keras.Sequential([keras.layers.Dense(1, input_shape=(64,), name="brightness")])
    yield "regressor", lambda: quantized(trained(regressor, flat, flat.mean(axis=1), "mse", 100), flat)
    layers = [keras.layers.Dense(12, activation="relu", input_shape=(64,)), keras.layers.Dense(64)]
    yield "autoencoder", lambda: quantized(trained(keras.Sequential(layers), flat, flat, "mse", 20), flat)


if __name__ == "__main__":
    start(seed=1)
    for name, make in models():
        (HERE / f"{name}.tflite").write_bytes(make())
