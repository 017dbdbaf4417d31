"""Timelines of a course."""

import numpy as np
import pytest

from qatflow.report.figures.course import MARKS, POINTS, holdout, timeline
from tests.unit.report.courses import candidate, course


def marks(nodes, tag, style):
    return [node.attributes for node in nodes if node.tag == tag and node.attributes.get("class") == style]


def test_accuracy_drifts_and_candidates_are_drawn_and_can_be_hidden(parse):
    nodes = parse(timeline(course()).svg)
    (line,) = marks(nodes, "polyline", "series series-0")
    assert len(line["points"].split()) == 50
    keys = {
        node.attributes["data-series"]: node.attributes["aria-label"]
        for node in nodes
        if "key" in str(node.attributes.get("class"))
    }
    assert keys == {"answers": "flatbuffer", "drift": "drift seen", "promoted": "promoted", "other": "not promoted"}
    series = {
        node.attributes["data-series"] for node in nodes if str(node.attributes.get("class")).split()[0] == "series"
    }
    assert series == keys.keys()
    assert len(marks(nodes, "circle", "fill-2")) == 2 + 1  # and the key
    assert len(marks(nodes, "circle", "mark-refused")) == 3 + 1
    told = [node.text for node in nodes if node.tag == "title"]
    assert "Drift seen after 2,700 samples" in told
    assert any(words.endswith("; refused: another promotion came first") for words in told)
    assert {"samples learned", "accuracy (axis does not start at 0)"} <= {node.text for node in nodes}


def test_marks_lie_where_their_figures_are(parse):
    nodes = parse(timeline(course(accuracy=np.linspace(0, 1, 50), candidates=[candidate(1, 5000, window=1.0)])).svg)
    (_, mark) = marks(nodes, "circle", "fill-2")
    (line,) = marks(nodes, "polyline", "series series-0")
    across, down = (float(value) for value in line["points"].split()[-1].split(","))
    assert float(mark["cx"]) == across
    assert float(mark["cy"]) < down  # the line is of the last five buckets


def test_nothing_to_draw_is_no_figure():
    assert timeline(course(0)) is None
    assert holdout(course(candidates=())) is None


@pytest.mark.parametrize("buckets", [1, 2, 5])
def test_a_short_course_is_drawn(parse, buckets):
    made = course(buckets, candidates=(), drifts=())
    nodes = parse(timeline(made).svg)
    assert len(marks(nodes, "polyline", "series series-0")) == 1
    assert "nan" not in timeline(made).svg


def test_a_long_course_stays_small(parse):
    many = [candidate(number, 1_900_000 + number * 100) for number in range(1, 1001)]
    made = course(
        20_000, ends=(1_001 + np.arange(20_000)) * 100, learned=2_100_000, candidates=many, drifts=range(1000)
    )
    drawn = timeline(made)
    assert len(drawn.svg) < 100_000
    nodes = parse(drawn.svg)
    (line,) = marks(nodes, "polyline", "series series-0")
    assert POINTS / 2 < len(line["points"].split()) <= POINTS
    assert len(marks(nodes, "circle", "fill-2")) == MARKS + 1
    assert not marks(nodes, "line", "whisker dash-1")  # all of them came before what is kept
    assert "The first 100,000 samples are not kept. Only the newest marks are drawn." in drawn.note


def test_no_average_skips_a_sample(parse):
    """One bad bucket among thousands is seen, whichever it is."""
    for bad in (3000, 3001, 3002):
        accuracy = np.ones(4800)
        accuracy[bad] = 0.0
        nodes = parse(timeline(course(4800, accuracy=accuracy, candidates=(), drifts=())).svg)
        heights = {point.split(",")[1] for point in marks(nodes, "polyline", "series series-0")[0]["points"].split()}
        assert len(heights) == 2


def test_what_was_forgotten_has_an_axis_of_its_own(parse):
    figure = holdout(course())
    assert figure.title.replace("\N{NO-BREAK SPACE}", " ") == (
        "On the hold-out the last candidate stands at 96.9 %, \N{MINUS SIGN}1.4 points since the start"
    )
    nodes = parse(figure.svg)
    assert len(marks(nodes, "line", "diagonal")) == 1
    assert len(marks(nodes, "polyline", "line-train")[0]["points"].split()) == 5
