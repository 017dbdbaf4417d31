import numpy as np
import pytest

from qatflow.evaluation import calibration
from qatflow.report.figures.reliability import gap, reliability
from qatflow.report.wording import SPACE


def bins(confidence, right):
    """Of 100 samples, all equally sure, so many right."""
    outputs = np.tile(np.float32([confidence, 1 - confidence]), (100, 1))
    return calibration.reliability((np.arange(100) >= right).astype(int), outputs)


@pytest.mark.parametrize(
    ("confidence", "right", "words"),
    [
        (0.9, 70, f"int8 is too sure, by 20.0{SPACE}% on average"),
        (0.7, 90, f"int8 is too unsure, by 20.0{SPACE}% on average"),
        (0.8, 80, "int8 is about as sure as it is right"),
    ],
)
def test_the_title_tells_sureness_from_rightness(confidence, right, words):
    assert reliability("int8", bins(confidence, right)).title == words


def test_the_gap_is_signed():
    assert gap(bins(0.9, 70)) == pytest.approx(0.2, abs=1e-6)
    assert gap(bins(0.7, 90)) == pytest.approx(-0.2, abs=1e-6)


def test_empty_bins_have_no_bar(parse):
    nodes = parse(reliability("int8", bins(0.9, 70)).svg)
    assert [node.attributes["class"] for node in nodes if node.tag == "rect"] == ["bar"]
    assert [node.text for node in nodes if node.tag == "title"] == [
        f"100 samples, sure to 90.0{SPACE}%, right on 70.0{SPACE}%"
    ]
