import dataclasses

import numpy as np
import pytest

from qatflow.errors import ConversionError, DataError
from qatflow.evaluation.observe import BATCH_SIZE, observe
from qatflow.progress import silent
from qatflow.tflite.inspect import layer_weights
from qatflow.tflite.runtime import Runner


@pytest.fixture
def out(tmp_path):
    return tmp_path / "outputs.npy"


@pytest.fixture
def runners(golden):
    return Runner(golden["int8"]), Runner(golden["float32"])


def test_batches_join_to_the_whole_split(runners, digits, out):
    x, y = digits.test.arrays()

    observed = observe(runners, digits, None, out, silent)

    assert len(x) > BATCH_SIZE
    np.testing.assert_array_equal(observed.y, y)
    np.testing.assert_array_equal(observed.values, runners[0].predict(x))
    np.testing.assert_array_equal(observed.float_values, runners[1].predict(x))
    np.testing.assert_array_equal(np.load(out), observed.values)
    assert len(observed.fake_quant_values) == 0
    assert observed.fake_quant_lsb == {}


def test_the_fake_quant_model_is_compared_on_the_first_samples(runners, digits, out):
    count = BATCH_SIZE + 10
    keras_outputs = runners[0].predict(digits.test.arrays(count)[0])
    keras_outputs[-1, 0] -= 3 / 256

    observed = observe(runners, digits, keras_outputs, out, silent)

    np.testing.assert_array_equal(observed.fake_quant_values, keras_outputs)
    assert observed.fake_quant_lsb == {"0": 10 * count - 1, "3": 1}


def test_anomaly_keeps_one_error_a_sample(golden, strange_digits, out):
    runner = Runner(golden["autoencoder"])
    x, _ = strange_digits.test.arrays()

    observed = observe((runner, runner), strange_digits, runner.predict(x[:5]), out, silent)

    assert np.load(out).shape == x.shape
    np.testing.assert_allclose(observed.values, ((runner.predict(x) - x) ** 2).mean(axis=1), rtol=1e-6)
    np.testing.assert_array_equal(observed.fake_quant_values, observed.values[:5])


def test_a_model_for_other_labels(runners, digits, out):
    three = dataclasses.replace(digits, num_outputs=3)

    with pytest.raises(ConversionError, match="has 10 outputs; the data need 3 for classification"):
        observe(runners, three, None, out, silent)


def test_a_model_for_other_inputs(golden, brightness, out):
    with pytest.raises(DataError, match=r"Inputs have shape \[256, 64\]; the model takes \[n, 8, 8, 1\]"):
        observe((Runner(golden["int8"]),) * 2, dataclasses.replace(brightness, num_outputs=10), None, out, silent)


def test_outputs_that_are_not_finite(golden, digits, out):
    weights = layer_weights(golden["float32"])[2].values
    broken = golden["float32"].replace(weights[:1].tobytes(), np.full(128, np.nan, np.float32).tobytes())

    with pytest.raises(ConversionError, match="NaN or infinity for test sample 0"):
        observe((Runner(broken), Runner(golden["float32"])), digits, None, out, silent)
