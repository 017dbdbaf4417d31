from qatflow.report.figures.lines import COLOURED, Frame, Line, lines
from qatflow.report.figures.svg import WIDTH, to_text

FRAME = Frame("share", "{:g}".format)


def drawn(parse, *shown, frame=FRAME):
    return parse(to_text(lines(shown, frame, "what it shows")))


def test_each_line_has_a_key_that_names_its_series(parse):
    nodes = drawn(parse, Line("a", [1.0, 2.0]), Line("b", [2.0, 1.0]))
    keys = {node.attributes["data-series"]: node.attributes["aria-label"] for node in nodes if node.tag == "g"}
    assert keys == {"0": "a", "1": "b"}
    series = [node.attributes for node in nodes if node.tag == "polyline"]
    assert {line["data-series"] for line in series} == set(keys)
    assert all("series" in line["class"].split() for line in series)


def test_the_most_important_line_is_drawn_last_so_that_it_lies_above(parse):
    nodes = drawn(parse, Line("a", [1.0, 2.0]), Line("b", [2.0, 1.0]))
    assert [node.attributes["data-series"] for node in nodes if node.tag == "polyline"] == ["1", "0"]


def test_fifty_lines_keep_a_legend_of_seven_keys_inside_the_drawing(parse):
    nodes = drawn(parse, *(Line(f"a_rather_long_name_of_layer_{i}", [1.0 * i, 2.0]) for i in range(50)))
    keys = [node for node in nodes if node.tag == "g"]
    assert [key.attributes["aria-label"] for key in keys][-1] == "44 more"
    assert len(keys) == COLOURED + 1
    touched = [node.attributes for node in nodes if node.tag == "rect"]
    assert all(float(box["x"]) + float(box["width"]) <= WIDTH for box in touched)
    places = {(box["x"], box["y"]) for box in touched}
    assert len(places) == len(keys)


def test_epochs_are_numbered_from_the_first(parse):
    words = [node.text for node in drawn(parse, Line("a", [1.0, 2.0, 3.0]), frame=Frame("share", str, first=0))]
    assert {"0", "1", "2"} <= set(words)


def test_one_epoch_can_be_drawn(parse):
    assert [node.tag for node in drawn(parse, Line("a", [1.0]))].count("polyline") == 1
