from qatflow.report.figures.recall import MOST_CLASSES, recall
from qatflow.report.wording import SPACE


def test_the_class_that_loses_most_is_named():
    figure = recall("int8", {"cat": 1.0, "dog": 0.5}, {"cat": 0.75, "dog": 0.6})
    assert figure.title.replace(SPACE, " ") == "cat loses most: recall 100.0 % with float, 75.0 % with int8"


def test_no_loss_is_said():
    assert recall("int8", {"cat": 0.9}, {"cat": 0.9}).title == "No class loses recall in int8"


def test_a_loss_lies_to_the_left_of_float(parse):
    nodes = parse(recall("int8", {"cat": 1.0}, {"cat": 0.75}).svg)
    before, after = [node.attributes for node in nodes if node.tag == "circle"][2:]
    assert float(after["cx"]) < float(before["cx"])


def test_of_many_classes_those_that_changed_most_are_shown(parse):
    before = {f"c{i}": 0.9 for i in range(100)}
    after = before | {"c7": 0.5, "c99": 0.6}
    figure = recall("int8", before, after)
    circles = [node for node in parse(figure.svg) if node.tag == "circle"]
    assert len(circles) == 2 + 2 * MOST_CLASSES
    assert "The 30 of 100 classes that changed most." in figure.note
    assert "c99" in figure.svg
