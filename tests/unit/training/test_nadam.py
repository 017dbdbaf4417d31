"""Why Nadam is not Keras' own class."""

from qatflow.backend import keras, tf
from qatflow.training.nadam import Nadam


def spread_of_equal_variables(kind):
    """Train four equal variables in a graph; return how far the last ends from the first."""
    optimizer = kind(0.1)
    variables = [tf.Variable(3.0) for _ in range(4)]
    optimizer.build(variables)
    step = tf.function(lambda: optimizer.apply_gradients([(2 * x, x) for x in variables]))
    for _ in range(5):
        step()
    return abs(float(variables[3] - variables[0]))


def test_equal_variables_stay_equal_in_a_graph():
    assert spread_of_equal_variables(Nadam) == 0


def test_keras_own_still_has_the_fault():
    """When this fails, `training.nadam` can go, if `variables` then hold Keras' product of momenta too."""
    assert spread_of_equal_variables(keras.optimizers.Nadam) > 1e-4


def test_sparse_gradients_are_those_of_the_whole_variable():
    dense, sparse = tf.Variable([[1.0], [2.0]]), tf.Variable([[1.0], [2.0]])

    Nadam(0.1).apply_gradients([(tf.constant([[0.0], [3.0]]), dense)])
    Nadam(0.1).apply_gradients([(tf.IndexedSlices(tf.constant([[3.0]]), tf.constant([1]), (2, 1)), sparse)])

    assert (dense.numpy() == sparse.numpy()).all()
    assert dense.numpy()[1] < 2
