import numpy as np
import pytest
from pydantic import ValidationError

from qatflow.backend import keras
from qatflow.compression.clustering import Cluster
from qatflow.compression.pruning import EVERY, SCHEDULES, Grow, KeepZeros, Prune, mask_of, masks_of
from qatflow.errors import ModelError, ParamsError
from qatflow.params.compression import CompressionParams
from qatflow.params.quantize import QatParams
from qatflow.training.quantization_aware import make_quantization_aware

layers = keras.layers


def test_polynomial_sparsity_follows_the_paper():
    shares = np.linspace(0, 1, 5)

    assert [SCHEDULES["polynomial"](share) for share in shares] == pytest.approx(1 + (0 - 1) * (1 - shares) ** 3)
    assert {SCHEDULES["constant"](share) for share in shares} == {1.0}


def trained(model, plug, batches, x=None):
    """Train a model for a while as `compress` does; return the sparsity of its first kernel after each batch."""
    kernels = {layer.name: layer.kernel for layer in model.layers if layer.weights}
    rules = plug.rules(kernels)
    model.compile(make_quantization_aware(QatParams(learning_rate=0.05), batches, rules), "mse")
    model.optimizer.build(model.trainable_variables)
    seen = []

    class See(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.append(float(np.mean(next(iter(kernels.values())).numpy() == 0)))

    rng = np.random.default_rng(0)
    x = rng.normal(size=(batches * 4, *model.input_shape[1:])).astype(np.float32)
    y = rng.normal(size=(batches * 4, model.output_shape[-1]))
    model.fit(x, y, batch_size=4, verbose=0, callbacks=[*plug.growth(rules, batches), See()])
    return seen


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_zeros_grow_in_the_first_part_and_then_stay(schedule):
    model = keras.Sequential([layers.Dense(20, input_shape=(10,)), layers.Dense(2)])
    before = model.layers[0].kernel.numpy()
    seen = trained(model, Prune(CompressionParams(sparsity=0.6, scope="layer", schedule=schedule, growth=0.5)), 100)

    assert seen[: EVERY - 1] == [0.0] * (EVERY - 1)
    assert seen == sorted(seen)
    assert seen[49:] == [0.6] * 51
    assert (seen[29] == 0.6) == (schedule == "constant")
    after = model.layers[0].kernel.numpy()
    assert not np.any((after == before) & (after != 0))


@pytest.mark.parametrize("plug", [Prune, Cluster])
def test_a_model_that_shares_layers_is_refused(plug):
    inputs, shared = layers.Input((6,)), layers.Dense(6, name="twice")
    model = keras.Model(inputs, shared(layers.ReLU()(shared(inputs))))

    with pytest.raises(ParamsError, match="layer 'twice' is called 2 times, so that its weights cannot be followed"):
        plug(CompressionParams(clusters=3)).shrink(model, None)


def test_zeros_that_are_there_stay_without_growth():
    model = keras.Sequential([layers.Dense(8, input_shape=(5,))])
    kernel = model.layers[0].kernel
    kernel.assign(mask_of(kernel.numpy(), 0.5, CompressionParams()) * kernel.numpy())
    zeros = kernel.numpy() == 0
    rule = KeepZeros(kernel)
    model.compile(make_quantization_aware(QatParams(learning_rate=0.1), 10, [rule]), "mse")
    model.fit(np.ones((40, 5)), np.ones((40, 8)), batch_size=4, verbose=0)

    assert np.array_equal(kernel.numpy() == 0, zeros)


def test_a_growth_that_was_interrupted_goes_on_where_it_was():
    grow = Grow([], CompressionParams(), 10)
    for batch in range(3):
        grow.on_train_batch_end(batch)
    again = Grow([], CompressionParams(), 10)
    again.restore(grow.state())

    assert again.state() == grow.state() == {"batches": 3}


def test_promises_are_the_zeros_of_each_layer_which_must_be_enough():
    model = keras.Sequential([layers.Conv2D(4, 3, input_shape=(6, 6, 3), name="odd"), layers.Conv2D(4, 1, name="even")])
    plug = Prune(CompressionParams(pattern="2:4", scope="layer"))
    with pytest.raises(ModelError, match=r"pruning left 8 weights more than a sparsity of 0\.5 allows"):
        plug.promises(model)  # three channels have no fours

    kernel = model.get_layer("even").kernel
    kernel.assign(kernel * mask_of(kernel.numpy(), 0.5, plug.settings))
    promises = plug.promises(model)
    assert promises["odd"].zeros == 0
    assert (promises["even"].zeros, promises["even"].fours) == (8, True)


def test_of_all_layers_together_the_small_one_keeps_more():
    rng = np.random.default_rng(0)
    small, large = rng.normal(size=(4, 4)).astype(np.float32), rng.normal(size=(40, 40)).astype(np.float32)
    masks = masks_of([small, large], 0.7, CompressionParams(sparsity=0.7))

    assert sum(int(np.sum(mask == 0)) for mask in masks) == int(0.7 * (16 + 1600))
    assert np.mean(masks[0] == 0) < 0.5 < np.mean(masks[1] == 0)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"sparsity": 1.0}, "less than 1"),
        ({"sparsity": 0.0}, "greater than 0"),
        ({"sparsity": 0.7, "pattern": "2:4", "scope": "layer"}, "sparsity must be 0.5, not 0.7"),
        ({"pattern": "block"}, "block gives each layer the same sparsity; set scope to layer"),
        ({"clusters": 2}, "greater than or equal to 3"),
        ({"channels": 1.5}, "less than 1"),
    ],
)
def test_settings_out_of_range_are_refused(settings, told):
    with pytest.raises(ValidationError, match=told):
        CompressionParams(**settings)
