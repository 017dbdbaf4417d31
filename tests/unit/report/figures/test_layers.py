import re

import pytest

from qatflow.report.figures.layers import histogram, noise


def test_a_histogram_has_a_bar_for_each_filled_bin(parse):
    nodes = parse(histogram([-0.5, 0.0, 0.5, 1.0], [2, 0, 4], "Weights of conv"))
    assert nodes[0].attributes["aria-label"] == "Weights of conv: 6 values from \u22120.5 to 1"
    heights = [float(top) for top in re.findall(r"V([\d.]+)H", nodes[1].attributes["d"])]
    assert heights == [24, 2]
    assert [node.text for node in nodes if node.tag == "text"] == ["\u22120.5", "1"]


def test_an_empty_histogram_can_be_drawn(parse):
    assert "d" in parse(histogram([0.0, 1.0], [0], "none"))[1].attributes


def test_the_noisiest_layer_is_named_and_names_may_repeat(parse):
    figure = noise([("conv", 40.0), ("dense", 12.5), ("conv", 38.0)])
    assert figure.title == "dense is the noisiest layer: 12.5 dB"
    widths = [float(node.attributes["width"]) for node in parse(figure.svg) if node.tag == "rect"]
    assert widths == pytest.approx([widths[0], widths[0] * 12.5 / 40, widths[0] * 38 / 40], abs=0.1)


def test_noise_louder_than_the_signal_goes_to_the_left(parse):
    below, above = (node.attributes for node in parse(noise([("a", -5.0), ("b", 5.0)]).svg) if node.tag == "rect")
    assert float(below["x"]) + float(below["width"]) == pytest.approx(float(above["x"]), abs=0.1)
