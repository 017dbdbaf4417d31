import pytest

from qatflow.report.figures.sizes import LayerSize, sizes
from qatflow.report.wording import SPACE


def test_two_4_bit_weights_share_a_byte():
    assert [LayerSize("a", dtype, 9).size_bytes for dtype in ("INT4", "INT8", "FLOAT32")] == [5, 9, 36]


def test_the_title_names_the_largest_layer_and_bars_tell_their_widths(parse):
    figure = sizes([LayerSize("conv", "INT8", 100), LayerSize("dense", "INT4", 600)])
    assert figure.title == f"dense holds 75.0{SPACE}% of the weights' bytes"
    nodes = parse(figure.svg)
    bars = [node.attributes for node in nodes if node.tag == "rect"]
    assert [bar["class"] for bar in bars] == ["fill-0", "fill-1"]
    assert float(bars[1]["width"]) > 2 * float(bars[0]["width"])
    assert {"4 bit", "8 bit"} <= {node.text for node in nodes}


def test_several_figures_may_have_one_axis(parse):
    def width(figure):
        return next(float(node.attributes["width"]) for node in parse(figure.svg) if node.tag == "rect")

    small, large = [LayerSize("conv", "INT8", 100)], [LayerSize("conv", "INT8", 200)]
    assert width(sizes(small)) == width(sizes(large))
    assert width(sizes(small, widest=200)) == pytest.approx(width(sizes(large, widest=200)) / 2, rel=0.05)
