import pytest

from qatflow.report.figures.tradeoff import COMPRESSED, LATENCY, Point, front, tradeoff
from qatflow.report.wording import SCORES, SPACE

SCORE = SCORES["classification"]
FLOAT = Point("float", 80_000, 0.98, None, "float")


def test_small_and_good_lies_up_and_left(parse):
    good = Point("good", 20_000, 0.99, (0.98, 1.0), "passed")
    nodes = parse(tradeoff([FLOAT, good], SCORE).svg)
    marks = [node.attributes for node in nodes if node.tag == "circle"]
    assert [mark["class"] for mark in marks] == ["mark-float", "mark-passed"]
    reference, better = ((float(mark["cx"]), float(mark["cy"])) for mark in marks)
    assert better[0] < reference[0]
    assert better[1] < reference[1]
    assert [node.attributes["class"] for node in nodes if node.tag == "line"].count("whisker") == 1


def test_the_champion_is_ringed_and_named_in_the_title(parse):
    champion = Point("small", 20_000, 0.97, None, "champion", "as good as float")
    figure = tradeoff([FLOAT, Point("other", 21_000, 0.975, None, "passed"), champion], SCORE)
    assert figure.title == "small is 4.0\u00d7 smaller, its accuracy as good as float"
    assert "intervals" not in figure.note
    assert [node.attributes["class"] for node in parse(figure.svg) if node.tag == "circle"].count("ring") == 1


def test_a_hollow_mark_is_drawn_over_a_filled_one(parse):
    points = [Point("bad", 20_000, 0.9, None, "refused"), Point("good", 20_000, 0.9, None, "champion"), FLOAT]
    marks = [node.attributes["class"] for node in parse(tradeoff(points, SCORE).svg) if node.tag == "circle"]
    assert marks == ["ring", "mark-champion", "mark-float", "mark-refused"]


def test_the_title_says_when_nothing_passed():
    refused = Point("bad", 20_000, 0.5, None, "refused")
    assert tradeoff([FLOAT, refused], SCORE).title == "No variant is both small and good enough"


@pytest.mark.parametrize("size_bytes", [80_000, 200])
def test_equal_scores_and_any_size_can_be_drawn(parse, size_bytes):
    nodes = parse(tradeoff([FLOAT, Point("same", size_bytes, 0.98, None, "passed")], SCORE).svg)
    assert {"float", "same"} <= {node.text for node in nodes if node.tag == "text"}


def test_those_who_cannot_see_it_hear_every_point(parse):
    label = parse(tradeoff([FLOAT, Point("a", 20_000, 0.99, None, "passed")], SCORE).svg)[0].attributes["aria-label"]
    assert (
        label.replace(SPACE, " ") == "Size against Accuracy. float: 80.0 kB, 98.0 %, float; a: 20.0 kB, 99.0 %, passed."
    )


def test_the_front_holds_what_nothing_cheaper_equals():
    costs = {"a": (3, 0.9), "b": (1, 0.8), "c": (2, 0.8), "d": (3, 0.7)}
    points = [Point(name, cost, score, None, "passed") for name, (cost, score) in costs.items()]
    assert [point.name for point in front(points)] == ["b", "a"]


@pytest.mark.parametrize(
    ("cost", "title"),
    [
        (COMPRESSED, "small has compressed size 20.0 kB, accuracy 99.0 %"),
        (LATENCY, "small has latency 20.0 ms, accuracy 99.0 %"),
    ],
)
def test_costs_that_do_not_compare_with_float_are_told_alone(cost, title):
    small = Point("small", 20_000, 0.99, None, "champion")
    assert tradeoff([FLOAT, small] if cost is LATENCY else [small], SCORE, cost).title.replace(SPACE, " ") == title
