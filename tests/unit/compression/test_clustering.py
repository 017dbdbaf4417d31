import numpy as np
import pytest

from qatflow.backend import keras, tf
from qatflow.compression.clustering import Cluster, FollowWeights, lloyd, nearest_code
from qatflow.params.compression import CompressionParams
from qatflow.quantization.grid import levels
from qatflow.quantization.quantizers import WeightQuantizer


def squared_error(sizes, levels):
    return np.square(sizes[:, None] - np.concatenate([[0.0], levels])).min(axis=1).sum()


def test_separate_groups_of_sizes_are_found():
    sizes = np.concatenate([np.full(9, 0.0), np.full(5, 3.0), np.full(7, 10.0), np.full(4, 40.0)])

    assert lloyd(sizes, 3).tolist() == [3.0, 10.0, 40.0]


def test_levels_have_less_squared_error_than_even_ones():
    sizes = np.abs(np.random.default_rng(0).normal(0, 30, 4000))

    found = lloyd(sizes, 7)
    assert (np.diff(found) > 0).all()
    assert squared_error(sizes, found) < 0.7 * squared_error(sizes, np.linspace(0, sizes.max(), 8)[1:])


@pytest.mark.parametrize(("clusters", "bits", "count"), [(16, 8, 7), (15, 8, 7), (3, 8, 1), (255, 4, 7), (255, 8, 127)])
def test_zero_is_one_of_the_clusters_and_the_others_come_in_pairs(clusters, bits, count):
    scaled = np.random.default_rng(0).normal(0, 60, (3, 3, 8, 8)).astype(np.float32)
    kinds = {kind: Cluster(CompressionParams(clusters=clusters, spacing=kind)) for kind in ("even", "k_means")}
    codes = kinds["k_means"].codes(scaled, levels(bits))

    assert kinds["even"].even_levels(levels(bits)) == count
    assert kinds["k_means"].even_levels(levels(bits)) is None

    assert codes.shape == (count,)
    assert codes.max() <= 2 ** (bits - 1) - 1
    assert len(np.unique(nearest_code(scaled, codes))) <= clusters


def test_a_layer_with_fewer_weights_than_clusters_stays_as_it_is():
    model = keras.Sequential([keras.layers.Dense(2, input_shape=(3,), name="tiny")])

    assert Cluster(CompressionParams(clusters=16)).shrink(model, None) is model


def test_the_nearest_level_keeps_the_sign_and_zeros():
    scaled = tf.constant([[-9.0, -2.0, 0.0], [0.4, 2.6, 100.0]])

    assert nearest_code(scaled, tf.constant([1.2, 3.7])).numpy().tolist() == [[-4, -1, 0], [0, 4, 4]]


@pytest.fixture
def quantizer():
    made = WeightQuantizer(8, np.full(3, 0.1, np.float32), learned=True, codes=np.array([2.0, 5.0], np.float32))
    made.build((4, 3), "kernel", keras.layers.Layer())
    return made


def test_a_clustered_kernel_has_its_levels_in_training_and_in_inference(quantizer):
    kernel = tf.constant(np.random.default_rng(0).normal(0, 0.4, (4, 3)), tf.float32)

    for training in (True, False):
        q = quantizer(kernel, training, quantizer.variables).numpy() / 0.1
        assert set(np.unique(np.rint(q))) <= {-5, -2, 0, 2, 5}
        assert np.allclose(q, np.rint(q), atol=1e-4)


def test_gradients_pass_to_weights_inside_the_grid(quantizer):
    kernel = tf.Variable(np.array([[0.3, -0.1, 50.0]] * 4, np.float32))
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(quantizer(kernel, True, quantizer.variables))

    assert tape.gradient(loss, kernel).numpy()[0].tolist() == [1, 1, 0]


def test_levels_move_towards_the_mean_of_their_weights(quantizer):
    kernel = tf.Variable(np.full((4, 3), 0.3, np.float32))  # 3 steps: nearest to 2
    rule = FollowWeights(kernel, quantizer)
    for _ in range(200):
        rule.hold()

    assert quantizer.variables["codes"].numpy() == pytest.approx([3.0, 5.0], abs=0.05)
