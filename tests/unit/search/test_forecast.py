import pytest

from qatflow.params.compression import CompressionParams
from qatflow.params.quantize import CorrectionParams, QuantizeParams
from qatflow.params.training import TrainingParams
from qatflow.search.forecast import Sizes, least_bytes, rounding_seconds, training_seconds
from qatflow.search.options import Goal
from qatflow.search.trial import Trial


@pytest.mark.parametrize(("name", "bits"), [("float16", 16), ("int8", 8), ("int4", 4)])
def test_real_flatbuffers_weigh_no_less_than_foretold(golden, name, bits):
    bound = least_bytes(golden["float32"], bits)

    assert 0.5 * len(golden[name]) < bound <= len(golden[name])


def test_32_bits_change_nothing(golden):
    assert least_bytes(golden["float32"], 32) == len(golden["float32"])


def test_a_measured_candidate_speaks_for_its_width(golden):
    sizes = Sizes(golden["float32"], Goal(), CompressionParams())
    measured = [Trial("ptq_w8a8", "measured", size_bytes=5000), Trial("ptq_w4a8", "failed", "why")]

    assert sizes.bound("qat_w8a8_per_channel", measured) == 5000
    assert sizes.bound("ptq_w8a16", measured) == 5000
    assert sizes.bound("qat_w4a8", measured) == least_bytes(golden["float32"], 4)
    assert sizes.bound("qat_mixed", [*measured, Trial("ptq_w4a8", "measured", size_bytes=3000)]) == 3000


def test_compression_takes_its_share_off_the_bytes_that_count(golden):
    settings = CompressionParams(sparsity=0.75, clusters=16, channels=0.5)
    measured = [Trial("ptq_w8a8", "measured", size_bytes=8000, zstd_bytes=6000)]
    flash, travel = (Sizes(golden["float32"], Goal(compressed=each), settings) for each in (False, True))

    assert [flash.bound(name, measured) for name in ("pcqat_w8a8", "qat_w8a8_structured")] == [8000, 4000]
    assert [travel.bound(name, measured) for name in ("pqat_w8a8", "cqat_w8a8", "pcqat_w8a8")] == [1500, 3000, 750]
    small = Trial("pcqat_w8a8", "measured", size_bytes=8000, zstd_bytes=1000)
    assert travel.bound("qat_w8a8_per_channel", [*measured, small]) == 6000


@pytest.mark.slow
def test_training_time_grows_with_epochs_and_the_model_is_left_alone(classifier, data):
    before = classifier.get_weights()
    short, long = (training_seconds(classifier, data, TrainingParams(epochs=epochs)) for epochs in (1, 4000))

    assert 0 < short < long
    assert all((old == new).all() for old, new in zip(before, classifier.get_weights(), strict=True))


@pytest.mark.slow
def test_rounding_takes_time_only_where_it_is_learned(classifier, data):
    expected = rounding_seconds(classifier, data, QuantizeParams())

    assert expected > 0
    assert rounding_seconds(classifier, data, QuantizeParams(corrections=CorrectionParams(adaround=False))) == 0
