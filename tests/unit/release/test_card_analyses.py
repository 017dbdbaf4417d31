from dataclasses import replace

from qatflow.evaluation.result import Evaluation
from qatflow.release import card_analyses
from tests.unit.release.fabricate import candidate, changed

NAMES = [f"class {i}" for i in range(150)]


def classes(recalls, support=40):
    return {
        name: {"precision": 0.9, "recall": recall, "f1": 0.9, "support": support}
        for name, recall in zip(NAMES, recalls, strict=False)
    }


def with_classes(recalls, before=None, matrix=()):
    one = candidate()
    floats = {"metrics": {"per_class": classes(before or recalls)}}
    return changed(one, metrics={"per_class": classes(recalls), "confusion_matrix": matrix}, float=floats)


def test_every_class_has_a_row_with_the_interval_of_its_recall():
    lines = card_analyses.by_class(with_classes([0.95, 1.0], [1.0, 1.0]))

    assert lines[3] == "| class 0 | 0.9000 | 0.9500 | 0.835 to 0.986 | 1.0000 | 0.9000 | 40 |"
    assert len(lines) == 2 + 2 + 2


def test_of_very_many_classes_the_weakest_are_listed():
    lines = card_analyses.by_class(with_classes([i / 150 for i in range(150)]))

    assert lines[0] == "The 100 of 150 classes with the lowest recall."
    assert sum(line.startswith("| class") for line in lines) == 100 + 1
    assert "| class 149 |" not in "\n".join(lines)


def test_the_weakest_classes_and_what_they_are_taken_for_are_named():
    lines = card_analyses.weaknesses(
        with_classes([0.9, 0.5, 1.0], [0.95, 0.9, 1.0], [[36, 4, 0], [20, 20, 0], [0, 0, 40]])
    )

    assert lines == [
        "- weak on class 1: finds 50.0% of 40 samples (95 % interval 35.2% to 64.8%)",
        "- weak on class 0: finds 90.0% of 40 samples (95 % interval 76.9% to 96.0%)",
        "- takes class 1 for class 0: 20 times",
        "- takes class 0 for class 1: 4 times",
        "- quantization costs most on class 1: recall falls by 40.0 points",
    ]


def test_a_class_without_samples_is_not_called_weak():
    per_class = classes([1.0, 0.0])
    per_class["class 1"]["support"] = 0
    one = changed(with_classes([1.0, 1.0]), metrics={"per_class": per_class})

    assert card_analyses.weaknesses(one)[0].startswith("- quantization costs most on class 1")
    assert "|  | 1.0000 |" in card_analyses.by_class(one)[4]


def test_sizes_tell_compression_widths_sparsity_and_clusters():
    layers = [{"name": "conv", "weights": 200, "zeros": 100, "distinct": 17}]
    one = changed(
        candidate(),
        size_deflate_bytes=900,
        size_zstd_bytes=800,
        inventory={"weight_bytes": {"INT8": 700, "INT32": 60}},
        compression={"layers": layers, "sparsity": 0.5},
    )

    assert card_analyses.sizes(one) == [
        f"- size: {one.size_bytes} bytes, 900 by deflate, 800 by zstd",
        "- constants: 60 bytes of INT32, 700 bytes of INT8",
        "- sparsity: 50.0% of the weights are 0",
        "",
        "| layer | weights | zeros | distinct values |",
        "| --- | --- | --- | --- |",
        "| conv | 200 | 50.0% | 17 |",
        "",
    ]


def test_what_was_not_measured_is_left_out():
    one = candidate()
    kept = {"score", "samples", "task", "sha256", "size_bytes", "size_deflate_bytes", "size_zstd_bytes"}
    known = {name: value for name, value in one.evaluation.to_dict().items() if name in kept}
    bare = replace(one, evaluation=Evaluation.model_validate(known | {"metrics": {"r2": 0.9}}))

    assert [line.partition(",")[0] for line in card_analyses.sizes(bare)] == [f"- size: {one.size_bytes} bytes"]
    assert card_analyses.by_class(bare) == card_analyses.weaknesses(bare) == card_analyses.against_float(bare) == []
