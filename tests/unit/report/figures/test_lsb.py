import pytest

from qatflow.report.figures.lsb import lsb
from qatflow.report.wording import SPACE


def test_steps_are_in_their_order(parse):
    figure = lsb({"-1": 10, "-2": 5, "0": 75, "1": 9, "10": 1}, "the fake-quant model")
    assert figure.title == f"75.0{SPACE}% of outputs equal those of the fake-quant model"
    nodes = parse(figure.svg)
    names = [node.text for node in nodes if node.tag == "text" and node.attributes.get("text-anchor") == "end"]
    assert names == ["\u22122", "\u22121", "0", "1", "10"]
    widths = [float(node.attributes["width"]) for node in nodes if node.tag == "rect"]
    assert widths[2] / widths[1] == pytest.approx(7.5, rel=0.02)


def test_equality_is_said():
    assert lsb({"0": 40}, "the reference kernels").title == "All 40 outputs equal those of the reference kernels"


def test_no_equal_output_is_no_error():
    assert lsb({"1": 40}, "x").title == f"0.0{SPACE}% of outputs equal those of x"
