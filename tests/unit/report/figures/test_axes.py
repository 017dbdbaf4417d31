import pytest

from qatflow.report.figures.axes import Scale, horizontal_axis, span, vertical_axis
from qatflow.report.figures.svg import canvas, to_text


def test_an_even_scale_is_linear():
    scale = Scale(0, 10, 100, 0)
    assert [scale(0), scale(5), scale(10)] == [100, 50, 0]


def test_a_logarithmic_scale_halves_by_ratio():
    assert Scale(1, 100, 0, 10, logarithmic=True)(10) == pytest.approx(5)


@pytest.mark.parametrize(
    ("scale", "ticks"),
    [
        (Scale(0, 1, 0, 1), [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (Scale(0.943, 0.998, 0, 1), [0.95, 0.96, 0.97, 0.98, 0.99]),
        (Scale(0, 27.6, 0, 1), [0, 5, 10, 15, 20, 25]),
        (Scale(1, 30, 0, 1), [10, 20, 30]),
        (Scale(10_213, 117_318, 0, 1, logarithmic=True), [20_000, 50_000, 100_000]),
    ],
)
def test_ticks_are_round_and_inside(scale, ticks):
    assert scale.ticks() == pytest.approx(ticks)


@pytest.mark.parametrize("values", [[0.0], [1.0, 1.0], [-3.0, 5.0], [0.97, 0.98]])
def test_a_span_is_never_empty(values):
    low, high = span(values)
    assert low < min(values) <= max(values) < high


def test_axes_draw_a_line_and_a_number_for_each_tick(parse):
    drawing = canvas(100, 100, "")
    horizontal_axis(drawing, Scale(0, 1, 0, 100), 0, 90, "{:g}".format, "share")
    vertical_axis(drawing, Scale(0, 1, 90, 0), 10, 100, "{:g}".format, "score")
    nodes = parse(to_text(drawing))
    assert len([node for node in nodes if node.tag == "line"]) == 12
    texts = [node.text for node in nodes if node.tag == "text"]
    assert texts == ["0", "0.2", "0.4", "0.6", "0.8", "1", "share", "0", "0.2", "0.4", "0.6", "0.8", "1", "score"]
