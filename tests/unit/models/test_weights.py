import numpy as np
import pytest

from qatflow.backend import tf
from qatflow.errors import ModelError
from qatflow.models.weights import assign, named


@pytest.fixture
def variables():
    return [tf.Variable([1.0, 2.0], name="a"), tf.Variable(3, name="a")]


def test_names_are_unique_and_in_order(variables):
    assert list(named(variables)) == ["0000/a:0", "0001/a:0"]


def test_assigns_what_named_gave(variables):
    saved = named(variables)
    for variable in variables:
        variable.assign_add(variable)

    assign(variables, saved, "model")

    assert [variable.numpy().tolist() for variable in variables] == [[1.0, 2.0], 3]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ([np.zeros(2)], "model has 2 weight arrays, the file holds 1"),
        ([np.zeros(3), np.zeros(())], r"0 is \(3,\) float64, expected \(2,\) float32"),
        ([np.zeros(2, complex), np.zeros(())], "complex128, expected"),
        ([np.array([1, np.nan]), np.zeros(())], "0 holds values that are not finite"),
        ([np.array([1, 1e300]), np.zeros(())], "0 holds values that are not finite in float32"),
    ],
)
def test_refuses_what_does_not_fit_and_changes_nothing(variables, arrays, message):
    with pytest.raises(ModelError, match=message):
        assign(variables, {str(index): array for index, array in enumerate(arrays)}, "model")

    assert variables[0].numpy().tolist() == [1.0, 2.0]
