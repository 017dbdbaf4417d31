import pytest

from qatflow.report.figures.latency import Timing, latency


def test_bars_are_as_long_as_the_medians(parse):
    figure = latency(Timing("float", 20, 30), [Timing("a", 10, 11), Timing("b", 40, 60)], threads=2)
    widths = [float(node.attributes["width"]) for node in parse(figure.svg) if node.tag == "rect"]
    assert widths[1] / widths[0] == pytest.approx(0.5, abs=0.01)
    assert widths[2] / widths[0] == pytest.approx(2.0, abs=0.01)
    assert figure.title == "a is fastest, 2.0\u00d7 faster than float"
    assert figure.note.endswith("2 threads.")


def test_the_title_admits_that_all_are_slower():
    assert (
        latency(Timing("float", 20, 30), [Timing("b", 40, 60)], 1).title == "b is fastest, 2.0\u00d7 slower than float"
    )
