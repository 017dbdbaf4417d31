import pytest

from qatflow.report.figures.balance import MOST_CLASSES, balance


def test_splits_are_stacked(parse):
    figure = balance({"train": {"a": 60, "b": 50}, "val": {"a": 20, "b": 20}, "test": {"a": 20, "b": 20}})
    assert figure.title == "Classes are balanced: 90 to 100 samples each"
    bars = [node.attributes for node in parse(figure.svg) if node.tag == "rect"]
    assert [bar["class"] for bar in bars[:3]] == ["segment bar", "segment bar-second", "segment bar-third"]
    assert float(bars[0]["x"]) + float(bars[0]["width"]) == pytest.approx(float(bars[1]["x"]), abs=0.1)
    assert {"100", "90", "train", "val", "test"} <= {node.text for node in parse(figure.svg)}


def test_imbalance_is_said():
    assert balance({"test": {"rare": 10, "common": 45}}).title == "common has 4.5\u00d7 as many samples as rare"


def test_a_class_without_samples_is_no_error():
    assert balance({"test": {"none": 0, "some": 3}}).title == "some has 3.0\u00d7 as many samples as none"


def test_of_many_classes_the_largest_are_shown(parse):
    figure = balance({"test": {f"c{i}": i + 1 for i in range(50)}})
    assert len([node for node in parse(figure.svg) if node.tag == "rect"]) == MOST_CLASSES
    assert "The 30 largest of 50 classes." in figure.note
