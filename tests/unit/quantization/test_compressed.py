"""What compression gave a model is there in its flatbuffer; equal beginnings are trained once."""

import numpy as np
import pytest

from qatflow.backend import keras
from qatflow.compression import COMPRESSIONS
from qatflow.errors import ConversionError
from qatflow.params.compression import CompressionParams
from qatflow.quantization import STRATEGIES
from qatflow.quantization.compressed import compress, promises_of
from qatflow.quantization.run import make, quantized_by
from qatflow.tflite.inspect import layer_weights

layers = keras.layers
STACK = (
    lambda: layers.Conv2D(8, 3, use_bias=False, name="a"),
    lambda: layers.BatchNormalization(name="n"),
    lambda: layers.ReLU(name="r"),
    lambda: layers.DepthwiseConv2D(3, name="w"),
    lambda: layers.Conv2D(16, 1, activation="relu", name="b"),
    lambda: layers.GlobalAveragePooling2D(name="g"),
    lambda: layers.Dense(3, activation="softmax", name="end"),
)


@pytest.fixture
def model(sequence, lively):
    made = lively(sequence((8, 8, 4), *(layer() for layer in STACK)))
    gamma = made.get_layer("n").gamma
    gamma.assign(gamma * [1, -1, 1, -1, 1, 1, -1, 1])  # folding turns the signs of these channels
    return made


@pytest.fixture
def asked(work):
    """Give a function that returns work with two epochs of float training and one of QAT."""

    def ask(**compression):
        params = CompressionParams(epochs=2, **compression)
        return work((8, 8, 4), training={"epochs": 1, "learning_rate": 0.01}, compression=params)

    return ask


def stored(name, model, work):
    strategy = STRATEGIES[name]
    quantized = quantized_by(strategy, model, work).quantized
    return {layer.name: layer.integers for layer in layer_weights(strategy.convert(quantized, work.calibration()))}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["pcqat_w8a8", "pqat_w4a8"])
def test_sparsity_and_clusters_survive_to_the_flatbuffer_in_1x1_convolutions_too(name, model, asked):
    found = stored(name, model, asked(sparsity=0.6, scope="layer", clusters=8))

    for layer in ("a", "b", "end"):
        assert np.mean(found[layer] == 0) >= int(0.6 * found[layer].size) / found[layer].size
        assert np.any(found[layer])
        assert len(np.unique(found[layer])) <= (8 if "c" in name else 15)
    assert np.mean(found["w"] == 0) < 0.2


@pytest.mark.slow
def test_two_of_four_weights_survive(model, asked):
    found = stored("pqat_w8a8", model, asked(pattern="2:4", scope="layer"))

    assert (np.sum(found["b"].reshape(-1, 4) == 0, axis=1) >= 2).all()


@pytest.mark.slow
def test_what_was_lost_on_the_way_is_refused(model, asked):
    work, strategy = asked(sparsity=0.6), STRATEGIES["pqat_w8a8"]
    quantized = quantized_by(strategy, model, work).quantized
    kernel = quantized.model.get_layer("b").kernel
    kernel.assign(np.where(kernel == 0, 0.3, kernel))

    with pytest.raises(ConversionError, match=r"lost what compression gave the model: 'b' has \d+ zeros of 128"):
        strategy.convert(quantized, work.calibration())


@pytest.mark.slow
def test_strategies_that_begin_alike_share_what_was_trained(model, asked):
    work = asked(sparsity=0.5)
    first, history = STRATEGIES["pqat_w8a8"].compress(model, work)
    kept = dict(work.compressed)
    second, again = STRATEGIES["pcqat_w8a8"].compress(model, work)

    assert len(kept) == 1
    assert work.compressed.keys() == kept.keys()
    assert history is again
    assert all(np.array_equal(a, b) for a, b in zip(first.get_weights(), second.get_weights(), strict=True))


@pytest.mark.slow
def test_float_training_can_have_a_rate_of_its_own(model, work):
    def compressed(rate, own):
        params = CompressionParams(epochs=1, learning_rate=own)
        given = work((8, 8, 4), training={"learning_rate": rate}, compression=params)
        return STRATEGIES["pqat_w8a8"].compress(model, given)[0].get_weights()

    own, same, other = (compressed(*rates) for rates in ((0.001, 0.02), (0.02, None), (0.001, None)))
    assert all(map(np.array_equal, own, same))
    assert not all(map(np.array_equal, own, other))


@pytest.mark.slow
def test_gains_of_a_normalization_stay_out_of_the_kernel_behind_it(sequence, work):
    """The converter folds them into it where it may: more values than clusters."""
    gains = keras.initializers.RandomUniform(0.5, 2.0, seed=0)
    normalization = layers.LayerNormalization(gamma_initializer=gains)
    ends = (layers.Dense(8, name="a"), layers.Dense(3, activation="softmax", name="end"))
    given = work((16,), compression=CompressionParams(epochs=1))
    made = make("cqat_w8a8", sequence((16,), normalization, *ends), given.data, given.settings, seed=0)

    assert all(len(np.unique(layer.integers)) <= 16 for layer in layer_weights(made.flatbuffer))
    assert any("LayerNormalization" in note for note in made.notes)


def test_promises_of_a_chain_hold_together(model):
    for name in ("a", "b", "end"):
        kernel = model.get_layer(name).kernel
        kernel.assign(np.where(np.arange(kernel.shape.num_elements()).reshape(kernel.shape) % 2, kernel, 0))
    plugs = [COMPRESSIONS[name](CompressionParams(sparsity=0.5, clusters=9)) for name in ("prune", "cluster")]
    found = promises_of(model, plugs)

    assert set(found) == {"a", "b", "end"}
    assert (found["b"].zeros, found["b"].distinct) == (64, 9)


@pytest.mark.slow
def test_all_layers_together_reach_the_sparsity(model, asked):
    found = stored("pqat_w4a8", model, asked(sparsity=0.7))
    pruned = [found[name] for name in ("a", "b", "end")]

    assert sum(np.sum(q == 0) for q in pruned) >= int(0.7 * sum(q.size for q in pruned))
    assert len({round(float(np.mean(q == 0)), 2) for q in pruned}) > 1


def test_only_pruned_weights_are_exactly_zero_after_learned_rounding(model, asked):
    kernel = model.get_layer("b").kernel
    kernel.assign(np.where(np.arange(128).reshape(kernel.shape) % 3, kernel * 0.2, 0))
    prepared = STRATEGIES["qat_w4a8"].prepare(model, asked())

    rounded = prepared.model.get_layer("b").kernel.numpy()
    assert np.array_equal(rounded == 0, kernel.numpy() == 0)


@pytest.mark.parametrize("spacing", ["even", "k_means"])
def test_rounding_to_a_few_even_levels_is_learned_before_training(spacing, model, asked):
    kernel = model.get_layer("b").kernel
    prepared = STRATEGIES["cqat_w8a8"].prepare(model, asked(clusters=8, spacing=spacing))

    rounded, step = prepared.model.get_layer("b").kernel.numpy(), prepared.grids.steps["b"]
    q = np.rint(rounded / step)
    on_grid = bool(np.array_equal(rounded, (q * step).astype(np.float32)) and np.abs(q).max() == 3)
    assert on_grid is (spacing == "even")
    assert np.array_equal(rounded, kernel.numpy()) is (spacing == "k_means")
    if on_grid:
        assert not np.array_equal(q, np.clip(np.rint(kernel / step), -3, 3))


def test_nothing_to_train_leaves_the_model_as_it_is(model, asked):
    small, history = compress(model, [COMPRESSIONS["cluster"](CompressionParams())], asked())

    assert history == []
    assert small.count_params() == model.count_params()
