import numpy as np
import pytest

from qatflow.report.channels import ChannelNoise, channel_noise, columns, matched, sqnr_by_channel
from qatflow.tflite.inspect import layer_weights


def test_each_layer_of_real_flatbuffers_has_the_noise_of_its_channels(golden):
    found = channel_noise(golden["float32"], golden["int8"])
    assert [(noise.name, len(noise.sqnr_db)) for noise in found] == [("conv", 8), ("depthwise", 8), ("classes", 10)]
    assert all(25 < value < 65 for noise in found for value in noise.sqnr_db)
    assert all(noise.sqnr_db[noise.worst] == min(noise.sqnr_db) for noise in found)


def test_four_bits_are_noisier(golden):
    eight, four = (channel_noise(golden["float32"], golden[name]) for name in ("int8", "int4"))
    worst = {noise.name: min(noise.sqnr_db) for noise in eight}
    assert any(min(noise.sqnr_db) < worst[noise.name] - 10 for noise in four)


def test_equal_flatbuffers_have_no_noise(golden):
    assert channel_noise(golden["float32"], golden["float32"]) == []


def test_flatbuffers_of_other_layers_do_not_match(golden):
    assert channel_noise(golden["float32"], golden["regressor"]) == []


def test_columns_are_output_channels(golden):
    shapes = {layer.name: columns(layer).shape for layer in layer_weights(golden["float32"])}
    assert shapes == {"conv": (9, 8), "depthwise": (9, 8), "classes": (128, 10)}


def test_layers_of_another_shape_are_left_out(golden):
    one, other = layer_weights(golden["float32"]), layer_weights(golden["int8"])
    assert len(matched(one, other)) == 3
    assert len(matched(one, other[::-1])) == 1


def test_the_ratio_is_in_decibels():
    original = np.array([[3.0, 4.0, 0.0], [4.0, 3.0, 0.0]])
    values = original + np.array([[0.3, 0.0, 1.0], [0.4, 0.0, 0.0]])
    assert sqnr_by_channel(values, original)[:1] == pytest.approx([20.0])
    assert np.isposinf(sqnr_by_channel(values, original)[1])
    assert np.isnan(sqnr_by_channel(values, original)[2])


def test_the_worst_channel_is_counted_among_all(golden):
    noise = channel_noise(golden["float32"], golden["int8"])[0]
    assert isinstance(noise, ChannelNoise)
    assert 0 <= noise.worst < 8
