import pytest

from qatflow.report.figures.traces import oscillation, ranges, steps
from qatflow.report.wording import MINUS, SPACE

CALM = {"bits": 4, "step": [0.1, 0.1], "moved": [0.5, 0.01], "turned": [0.1, 0.0]}
WILD = {"bits": 4, "step": [0.1, 0.088], "moved": [0.4, 0.2], "turned": [0.1, 0.05]}
LAYERS = {
    "calm": CALM | {"low": [0.0, 0.0], "high": [6.0, 6.0]},
    "wild": WILD | {"low": [-1.0, -2.0], "high": [1.0, 2.0]},
    "wide": {"bits": 8, "step": [0.1, 0.1], "moved": [0.9, 0.9], "turned": [0.4, 0.4]},
    "relu": {"low": [0.0, 0.0], "high": [3.0, 3.0]},
}


def test_the_titles_name_the_layer_that_moved_most():
    assert ranges("qat", LAYERS).title == f"qat: the range of wild moved most, +100.0{SPACE}% in the end"
    assert steps("qat", LAYERS).title == f"qat: the step of wild moved most, {MINUS}12.0{SPACE}% in the end"


def test_only_low_bit_weights_oscillate(parse):
    figure = oscillation("qat", LAYERS, "moved")
    assert figure.title == f"qat: 20.0{SPACE}% of wild's weights changed in the last epoch"
    keys = [node.attributes["aria-label"] for node in parse(figure.svg) if node.tag == "g"]
    assert keys == ["wild", "calm"]
    assert oscillation("qat", LAYERS, "turned").title.endswith("turned back in the last epoch")


@pytest.mark.parametrize("layers", [{}, {"calm": LAYERS["calm"]}, {"relu": LAYERS["relu"]}])
def test_what_did_not_move_has_no_picture(layers):
    assert ranges("qat", layers) is None
    assert steps("qat", layers) is None


def test_without_low_bit_weights_or_epochs_there_is_no_oscillation():
    assert oscillation("qat", {"wide": LAYERS["wide"], "relu": LAYERS["relu"]}, "moved") is None
    assert oscillation("qat", {"calm": LAYERS["calm"] | {"moved": []}}, "moved") is None
