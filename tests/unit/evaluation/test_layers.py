import math

import numpy as np
import pytest

from qatflow.errors import ConversionError
from qatflow.evaluation.layers import compare_layers, histogram, sqnr_db
from qatflow.tflite.inspect import layer_weights


def test_histogram_counts_every_value_once():
    counted = histogram(np.linspace(-1, 1, 80))

    assert counted["counts"] == [2] * 40
    assert counted["edges"] == pytest.approx(np.linspace(-1, 1, 41))


def test_histogram_of_equal_values():
    counted = histogram(np.full(7, 0.25))

    assert sum(counted["counts"]) == 7
    assert counted["edges"][0] < 0.25 < counted["edges"][-1]


def test_sqnr_by_hand():
    assert sqnr_db(np.array([3.0, 4.0]), np.array([0.3, 0.4])) == pytest.approx(20.0)


@pytest.mark.parametrize(("values", "error"), [([1.0], [0.0]), ([0.0], [1.0])])
def test_sqnr_without_signal_or_noise(values, error):
    assert sqnr_db(np.array(values), np.array(error)) is None


def test_layers_of_int8_against_float(golden):
    layers = compare_layers(golden["float32"], golden["int8"])

    assert [(layer["name"], layer["dtype"]) for layer in layers] == [
        ("conv", "INT8"),
        ("depthwise", "INT8"),
        ("classes", "INT8"),
    ]
    for layer, original, stored in zip(
        layers, layer_weights(golden["float32"]), layer_weights(golden["int8"]), strict=True
    ):
        error = stored.values.astype(float) - original.values
        assert layer["sqnr_db"] == pytest.approx(10 * math.log10((original.values**2).sum() / (error**2).sum()), 1e-5)
        assert sum(layer["weights_histogram"]["counts"]) == stored.values.size
        assert layer["error_histogram"]["edges"][0] == error.min()
        assert layer["error_histogram"]["edges"][-1] == error.max()


def test_four_bits_are_noisier_than_eight(golden):
    eight, four = (compare_layers(golden["float32"], golden[name]) for name in ("int8", "int4"))

    assert all(a["sqnr_db"] > b["sqnr_db"] + 20 for a, b in zip(eight, four, strict=True))


def test_a_model_against_itself_has_no_error(golden):
    for layer in compare_layers(golden["float32"], golden["float32"]):
        assert layer["sqnr_db"] is None
        assert sum(layer["error_histogram"]["counts"]) == sum(layer["weights_histogram"]["counts"])


def test_layers_that_do_not_match_have_no_error(golden):
    for layer in compare_layers(golden["regressor"], golden["int8"]):
        assert (layer["error_histogram"], layer["sqnr_db"]) == (None, None)


def test_weights_that_are_not_finite(golden):
    weights = layer_weights(golden["float32"])[2].values
    broken = golden["float32"].replace(weights[:1].tobytes(), np.full(128, np.nan, np.float32).tobytes())

    with pytest.raises(ConversionError, match="'classes' has weights that are NaN"):
        compare_layers(golden["float32"], broken)
