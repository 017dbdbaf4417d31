import subprocess
import sys

import numpy as np
import pytest

from qatflow.backend import keras
from qatflow.errors import ModelError
from qatflow.quantization import STRATEGIES
from qatflow.quantization.fold import KERNELS
from qatflow.quantization.quantization_aware import QuantizationAware, w4a8, w8a8
from qatflow.tflite.inspect import inventory, layer_weights
from qatflow.tflite.runtime import Runner

layers = keras.layers
PER_CHANNEL = STRATEGIES["qat_w8a8_per_channel"]


def converted(strategy, model, x):
    quantized = strategy.prepare(model)
    quantized.compile("adam", "mse")
    quantized.train_on_batch(x, model(x))
    return quantized, strategy.convert(quantized, x)


def block(kind):
    """Return layers of a kind with what follows them in networks, and a dense output."""
    layer = layers.Dense(8, name="a") if kind == "dense" else layers.Conv2D(8, 3, use_bias=False, name="a")
    norm = layers.BatchNormalization(name="norm")
    return [layer, norm, layers.ReLU(name="relu"), layers.Flatten(name="flat"), layers.Dense(3, name="outputs")]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["dense", "conv"])
@pytest.mark.parametrize("name", [name for name, strategy in STRATEGIES.items() if strategy.trained])
def test_the_flatbuffer_computes_what_the_fake_quant_model_does_behind_batch_normalization(
    name, kind, sequence, samples
):
    x = samples((6, 6, 2))

    quantized, flatbuffer = converted(STRATEGIES[name], sequence((6, 6, 2), *block(kind)), x)

    runner = Runner(flatbuffer)
    difference = np.abs(runner.predict(x) - quantized(x).numpy()) / runner.output.scale
    assert np.percentile(difference, 95) <= 1.01


@pytest.mark.slow
def test_layers_unknown_to_tfmot_become_int8_all_the_same(sequence, samples):
    x = samples((8, 3))
    model = sequence(
        (8, 3),
        layers.Conv1D(4, 3, name="a"),
        layers.PReLU(name="p"),
        layers.Flatten(name="f"),
        layers.Dense(2, name="d"),
    )

    flatbuffer = converted(PER_CHANNEL, model, x)[1]

    assert not [dtype for dtype in inventory(flatbuffer)["tensor_dtypes"] if dtype.startswith("FLOAT")]


@pytest.mark.slow
def test_w4a8_has_int4_convolutions_and_dense_layers_on_15_levels(sequence, samples):
    stack = [layers.Conv2D(4, 3, name="conv"), layers.DepthwiseConv2D(3, name="depthwise")]
    model = sequence((8, 8, 2), *stack, layers.Flatten(name="flat"), layers.Dense(6, name="dense"))

    weights = layer_weights(converted(STRATEGIES["qat_w4a8"], model, samples((8, 8, 2)))[1])

    assert [(layer.operator, layer.dtype) for layer in weights] == [
        ("CONV_2D", "INT4"),
        ("DEPTHWISE_CONV_2D", "INT4"),
        ("FULLY_CONNECTED", "INT4"),
    ]
    assert len(np.unique(np.abs(weights[-1].values).round(6))) <= 8


@pytest.mark.slow
def test_w4a8_leaves_transposed_convolutions_at_8_bits(sequence, samples):
    model = sequence((4, 4, 2), layers.Conv2D(2, 3, name="conv"), layers.Conv2DTranspose(4, 3, name="up"))

    weights = layer_weights(converted(STRATEGIES["qat_w4a8"], model, samples((4, 4, 2)))[1])

    assert {layer.operator: layer.dtype for layer in weights} == {"TRANSPOSE_CONV": "INT8", "CONV_2D": "INT4"}


def test_schemes_differ_in_granularity_and_width(sequence):
    model = sequence((6, 6, 2), layers.Conv2D(4, 3, name="conv"))
    strategies = [
        QuantizationAware(lambda: w8a8(per_channel=True)),
        QuantizationAware(lambda: w8a8(per_channel=False), folded=tuple(KERNELS)),
        QuantizationAware(w4a8),
    ]

    wrapped = [strategy.prepare(model).get_layer("quant_conv") for strategy in strategies]

    ranges = [next(v for v in layer.weights if "kernel_max" in v.name).shape for layer in wrapped]
    bits = [layer.quantize_config.weight_quantizer.num_bits for layer in wrapped]
    assert [tuple(shape) for shape in ranges] == [(4,), (), (4,)]
    assert bits == [8, 8, 4]


def test_refuses_models_inside_models(sequence):
    inner = keras.Sequential([layers.Input((4,)), layers.Dense(2)], name="inner")

    with pytest.raises(ModelError, match=r"sequence holds the model 'inner'.*Post-training"):
        PER_CHANNEL.prepare(sequence((4,), inner))


def test_refuses_shared_layers(sequence):
    shared = layers.Dense(4, name="shared")

    with pytest.raises(ModelError, match="calls layer 'shared' more than once"):
        PER_CHANNEL.prepare(sequence((4,), shared, layers.ReLU(name="relu"), shared))


PROGRAM = """
import sys
import numpy as np
from qatflow.artifacts import sha256_bytes
from qatflow.backend import start
from qatflow.models import ARCHITECTURES
from qatflow.quantization import STRATEGIES
start(7)
strategy = STRATEGIES["qat_w4a8"]
model = strategy.prepare(ARCHITECTURES["small_cnn"]((8, 8, 1), 3, 1.0, "classification"))
x = np.random.default_rng(0).random((64, 8, 8, 1), np.float32)
model.compile("adam", "sparse_categorical_crossentropy")
model.fit(x, np.arange(64) % 3, epochs=2, verbose=0)
sys.stdout.write(sha256_bytes(strategy.convert(model, x)))
"""


@pytest.mark.slow
def test_two_processes_give_the_same_bytes():
    runs = [
        subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True) for _ in range(2)
    ]

    digests = [run.stdout[-64:] for run in runs]
    assert digests[0] == digests[1]
    assert len(digests[0]) == 64
