import numpy as np
import pytest
from sklearn.datasets import load_digits

from qatflow.backend import keras, start
from qatflow.errors import ModelError
from qatflow.models import ARCHITECTURES
from qatflow.models.kernels import KERNELS
from qatflow.quantization.correction.adaround import adaround
from qatflow.quantization.correction.graph import copied
from qatflow.quantization.fold import fold

layers = keras.layers

NAMES = ["conv", "dw", "on_images", "dense"]


def columns(layer):
    kernel = layer.get_weights()[0]
    outputs = np.prod(kernel.shape[2:]) if isinstance(layer, layers.DepthwiseConv2D) else kernel.shape[-1]
    return kernel.reshape(-1, outputs)


def steps_of(model, bits=4):
    """Per-channel steps that just reach the largest weight."""
    chosen = [layer for layer in model.layers if type(layer) in KERNELS]
    return {layer.name: np.abs(columns(layer)).max(axis=0) / np.float32(2 ** (bits - 1) - 1) for layer in chosen}


def nearest(model, steps):
    copy = copied(model)
    for name, step in steps.items():
        kernel, *rest = copy.get_layer(name).get_weights()
        on_grid = np.rint(columns(copy.get_layer(name)) / step) * step
        copy.get_layer(name).set_weights([on_grid.reshape(kernel.shape), *rest])
    return copy


def sevens(steps):
    return dict.fromkeys(steps, 7)


def test_weights_lie_on_the_grid_next_to_the_float_ones(stack, samples):
    steps, before = steps_of(stack), [weight.copy() for weight in stack.get_weights()]
    steps["dense"] = np.float32(steps["dense"].max())  # one step for the whole tensor

    rounded = adaround(stack, steps, sevens(steps), samples((7, 8, 3), 40), iterations=50)

    moved = 0
    for name in NAMES:
        values, step = columns(rounded.get_layer(name)), steps[name]
        q = np.rint(values / step)
        assert (values == q.astype(np.float32) * step).all()
        assert np.abs(q).max() <= 7
        assert (np.abs(values - columns(stack.get_layer(name))) <= step * 1.001).all()
        moved += int((q != np.rint(columns(stack.get_layer(name)) / step)).sum())
    assert moved > 10
    assert [layer.name for layer in rounded.layers] == [layer.name for layer in stack.layers]
    assert all(np.array_equal(a, b) for a, b in zip(before, stack.get_weights(), strict=True))


def test_the_seed_decides(stack, samples):
    x, steps = samples((7, 8, 3), 40), steps_of(stack)
    one, same, other = (
        adaround(stack, steps, sevens(steps), x, iterations=30, seed=seed).get_weights() for seed in (1, 1, 2)
    )

    assert all(np.array_equal(a, b) for a, b in zip(one, same, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_other_layers_stay_float(sequence, samples):
    model = sequence((6, 6, 4), layers.Conv2D(4, 3, groups=2, name="grouped"), layers.Conv2D(3, 2, name="free"))

    rounded = adaround(model, {"grouped": np.float32(0.1)}, {"grouped": 7}, samples((6, 6, 4)), iterations=10)

    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), rounded.get_weights(), strict=True))


def test_refuses_steps_for_a_layer_that_is_not_there(stack, samples):
    with pytest.raises(ModelError, match="no layer 'cnv'"):
        adaround(stack, {"cnv": np.float32(1)}, {"cnv": 7}, samples((7, 8, 3)), iterations=1)


@pytest.mark.slow
def test_four_bit_digits_are_clearly_better_than_with_nearest_rounding():
    start(0)
    x, y = load_digits(return_X_y=True)
    x = (x.reshape(-1, 8, 8, 1) / 16).astype(np.float32)
    model = ARCHITECTURES["small_cnn"]((8, 8, 1), 10, 1.0, "classification")
    model.compile(keras.optimizers.Adam(3e-3), "sparse_categorical_crossentropy")
    model.fit(x[:1200], y[:1200], batch_size=64, epochs=15, verbose=0)
    model = fold(model, tuple(KERNELS))
    steps = steps_of(model)

    rounded = adaround(model, steps, sevens(steps), x[:512], iterations=1000)
    outputs = [net(x[1200:]).numpy() for net in (model, nearest(model, steps), rounded)]
    errors = [float(np.mean(np.square(output - outputs[0]))) for output in outputs[1:]]
    agreement = [float(np.mean(output.argmax(1) == outputs[0].argmax(1))) for output in outputs[1:]]

    assert errors[1] < 0.3 * errors[0]
    assert agreement[1] >= agreement[0]
    assert agreement[1] > 0.98
