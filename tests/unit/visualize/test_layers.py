from dataclasses import replace

import numpy as np
import pytest

from qatflow.evaluation.layers import compare_layers
from qatflow.visualize import layers

FIFTY = 50


@pytest.fixture
def deep(subject):
    """Fifty layers with long names."""
    many = replace(subject)
    kinds = subject.layers
    shown = [replace(kinds[i % 3], name=f"block_{i}/depthwise_convolution_of_a_long_name") for i in range(FIFTY)]
    originals = {i: subject.originals[i % 3] for i in range(FIFTY)}
    many.__dict__.update(layers=shown, originals=originals)
    return many


def test_the_noisiest_layer_is_named(subject):
    measured = {layer["name"]: layer["sqnr_db"] for layer in compare_layers(subject.float_model, subject.model)}
    worst = min(measured, key=measured.get)
    panel = layers.noise(subject).axes[0]
    assert panel.get_title(loc="left") == f"{worst} loses most: {measured[worst]:.1f} dB (qat_w4a8)"
    assert [bar.get_width() for bar in panel.patches] == pytest.approx(list(measured.values()))


def test_every_channel_has_a_mark(subject):
    panel = layers.channels(subject).axes[0]
    assert [len(line.get_xdata()) for line in panel.get_lines()] == [8, 8, 10]
    lowest = min(float(np.min(line.get_xdata())) for line in panel.get_lines())
    assert f"loses most: {lowest:.1f} dB" in panel.get_title(loc="left")


def test_bars_are_bytes_in_the_colour_of_their_width(subject):
    panel = layers.sizes(subject).axes[0]
    assert {text.get_text() for text in panel.get_legend().get_texts()} <= {"4 bit", "8 bit"}
    total = sum(bar.get_width() for bar in panel.patches) * 1000
    stored = [(layer.integers.size, 4 if layer.dtype == "INT4" else 8) for layer in subject.layers]
    assert total == pytest.approx(sum((count * bits + 7) // 8 for count, bits in stored))
    assert "of weights" in panel.get_title(loc="left")


@pytest.mark.parametrize("draw", [layers.noise, layers.channels, layers.sizes])
def test_fifty_layers_do_not_cover_each_others_names(deep, draw, overlaps):
    figure = draw(deep)
    assert len(figure.axes[0].get_yticklabels()) == FIFTY
    assert overlaps(figure) == []


def test_without_errors_there_is_no_noise(subject, bare):
    same = replace(subject, model=subject.float_model)
    for one in (same, bare):
        assert layers.noise(one) is None
        assert layers.channels(one) is None
