from qatflow.report.figures.curves import curves
from qatflow.report.wording import SPACE

HISTORY = [
    {"epoch": 1, "loss": 1.0, "val_loss": 1.1, "accuracy": 0.5, "val_accuracy": 0.45},
    {"epoch": 2, "loss": 0.5, "val_loss": 0.4, "accuracy": 0.9, "val_accuracy": 0.8},
    {"epoch": 3, "loss": 0.2, "val_loss": 0.6, "accuracy": 0.95, "val_accuracy": 0.7},
]


def test_the_best_epoch_is_that_of_least_loss_or_most_accuracy():
    assert curves("qat", HISTORY, "loss").title == "qat: best validation loss 0.4 in epoch 2 of 3"
    assert curves("qat", HISTORY, "accuracy").title == f"qat: best validation accuracy 80.0{SPACE}% in epoch 2 of 3"


def test_training_and_validation_are_drawn(parse):
    nodes = parse(curves("qat", HISTORY, "loss").svg)
    lines = [node.attributes for node in nodes if node.tag == "polyline"]
    assert [line["class"] for line in lines] == ["line-train", "line-val"]
    assert all(len(line["points"].split()) == 3 for line in lines)
    assert {"loss", "validation loss", "epoch"} <= {node.text for node in nodes}


def test_without_validation_the_training_curve_speaks():
    assert curves("x", [{"epoch": 1, "loss": 1.0}], "loss").title == "x: best loss 1 in epoch 1 of 1"
