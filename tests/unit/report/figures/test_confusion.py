from qatflow.report.figures.confusion import SHADES, confusion, most_confused

MATRIX = [[8, 2, 0], [0, 10, 0], [1, 0, 9]]
NAMES = ("cat", "dog", "a very long class name")


def test_the_title_tells_the_worst_confusion():
    assert confusion("float", MATRIX, NAMES).title == "float gets 3 of 30 wrong, most often cat for dog (2 times)"


def test_without_a_repeated_confusion_none_is_worst():
    assert confusion("m", [[3, 1], [1, 4]], ("a", "b")).title == "m gets 2 of 9 wrong, no two in the same way"


def test_a_perfect_model_is_said_to_be_one():
    assert confusion("m", [[3, 0], [0, 4]], ("a", "b")).title == "m gets all 7 test samples right"


def test_cells_hold_counts_shaded_by_the_share_of_the_true_class(parse):
    nodes = parse(confusion("float", MATRIX, NAMES).svg)
    cells = [node.attributes["class"] for node in nodes if node.tag == "rect" and "heat" in node.attributes["class"]]
    shades = [next(i for i, bound in enumerate(SHADES) if share <= bound) for share in (0.8, 0.2, 1.0, 0.1, 0.9)]
    assert cells == [f"heat-{shade}" for shade in shades]
    counts = [node.text for node in nodes if (node.attributes.get("class") or "").startswith("on-heat")]
    assert counts == ["8", "2", "10", "1", "9"]


def test_a_class_without_test_samples_has_an_empty_row(parse):
    nodes = parse(confusion("m", [[0, 0], [0, 5]], ("none", "some")).svg)
    assert len([node for node in nodes if "heat" in (node.attributes.get("class") or "")]) == 2


def test_most_confused_lists_the_worst_first():
    assert most_confused(MATRIX, NAMES, 5) == [("cat", "dog", 2), ("a very long class name", "cat", 1)]
    assert most_confused(MATRIX, NAMES, 1) == [("cat", "dog", 2)]
