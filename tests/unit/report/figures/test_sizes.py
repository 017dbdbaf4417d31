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
