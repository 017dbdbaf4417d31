"""An EinsumDense is written as a Dense where it is one, and computes the same."""

import numpy as np
import pytest

from qatflow.backend import keras
from qatflow.models.split import split
from tests.unit.models.stacks import of

layers = keras.layers


@pytest.mark.parametrize(
    ("equation", "shape", "made", "bias", "parts"),
    [
        ("abc,cd->abd", (5, 3), (5, 4), "d", ["Dense"]),
        ("...x,xy->...y", (5, 2, 3), (5, 2, 4), None, ["Dense"]),
        ("ab,bc->ac", (6,), 4, "c", ["Dense"]),
        ("abc,cde->abde", (5, 6), (5, 2, 3), "de", ["Dense", "Reshape"]),
        ("abde,dec->abc", (5, 2, 3), (5, 6), "c", ["Reshape", "Dense"]),
        ("abc,bcd->ad", (5, 3), 4, "d", ["Reshape", "Dense"]),
        ("abc,cd->abd", (5, 3), (5, 4), "bd", ["EinsumDense"]),
        ("abc,bd->adc", (5, 3), (4, 3), None, ["EinsumDense"]),
        ("abc,bcd->abd", (5, 3), (5, 4), None, ["EinsumDense"]),
        ("abc,dc->abd", (5, 3), (5, 4), "d", ["EinsumDense"]),
    ],
)
def test_it_computes_the_same(equation, shape, made, bias, parts):
    model = of(shape, layers.EinsumDense(equation, made, bias_axes=bias, activation="tanh", name="e"))
    x = np.random.default_rng(1).normal(size=(4, *shape)).astype(np.float32)

    apart = split(model)

    np.testing.assert_allclose(apart(x), model(x), atol=1e-6)
    assert [type(layer).__name__ for layer in apart.layers[1:]] == [*parts, "Activation"]
