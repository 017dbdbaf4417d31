import pytest

from qatflow.report.figures import rows
from qatflow.report.figures.svg import to_text

AXIS = rows.Axis(0, 10, "{:g}".format, "units")


def test_each_name_has_its_row(parse):
    chart = rows.rows(["a", "b" * 40], AXIS, "two rows", height=20, head=10)
    assert chart.y == (20, 40)
    nodes = parse(to_text(chart.drawing))
    assert nodes[0].attributes["aria-label"] == "two rows"
    texts = [node.text for node in nodes if node.tag == "text"]
    assert {"a", "b" * 23 + "\u2026", "units", "10"} <= set(texts)


def test_the_plot_leaves_room_on_the_right():
    chart = rows.rows(["a"], AXIS, "", room_right=60)
    assert chart.scale(10) == pytest.approx(300)


def test_a_legend_names_every_mark(parse):
    chart = rows.rows(["a"], AXIS, "", head=24)
    rows.legend(chart.drawing, [("bar", "train"), ("bar-second", "val")])
    nodes = parse(to_text(chart.drawing))
    circles = [node.attributes for node in nodes if node.tag == "circle"]
    assert [circle["class"] for circle in circles] == ["bar", "bar-second"]
    assert float(circles[0]["cx"]) < float(circles[1]["cx"])
    assert {"train", "val"} <= {node.text for node in nodes}
