from dataclasses import replace

from qatflow.report.sections.quality import LISTED_CONFUSIONS, quality
from tests.unit.report.fabricate import remeasured


def test_all_models_have_all_metrics(run):
    part = quality(run)
    assert part["names"] == ["accuracy", "ece", "f1 macro", "precision macro", "recall macro"]
    assert [name for name, _ in part["rows"]] == ["float", "ptq_w8a8", "qat_w8a8_per_channel", "qat_w4a8"]
    assert part["rows"][0][1][0] == "0.9806"


def test_float_and_the_champion_have_a_matrix_and_recalls(run):
    titles = [figure.title for figure in quality(run)["figures"]]
    assert titles[0].startswith("float gets 7 of 360 wrong")
    assert titles[1].startswith("qat_w8a8_per_channel gets 8 of 360 wrong")
    assert "loses most: recall" in titles[2]
    assert titles[3].startswith("qat_w8a8_per_channel is ")


def test_many_classes_are_listed_instead_of_drawn(build_run, load):
    classes = tuple(f"c{i}" for i in range(60))
    part = quality(load(build_run(classes=classes, wrong={"qat_w8a8_per_channel": 90})))
    assert len(part["figures"]) == 2
    assert [(name, len(rows)) for name, rows in part["confusions"]] == [
        ("float", 7),
        ("qat_w8a8_per_channel", LISTED_CONFUSIONS),
    ]


def test_regression_has_metrics_only(build_run, load):
    part = quality(load(build_run(task="regression")))
    assert part["names"] == ["mae", "r2", "rmse"]
    assert part["figures"] == part["confusions"] == []
    assert part["lost"] is None


def test_a_class_without_test_samples_has_no_recall(build_run, load):
    run = load(build_run())
    files = [variant.evaluation.to_dict() for variant in run.variants]
    for metrics in (files[0]["float"]["metrics"], files[1]["metrics"]):
        metrics["per_class"]["3"] |= {"support": 0, "recall": 0.0}
    found = map(remeasured, run.variants, files)
    figure = quality(replace(run, variants=tuple(found)))["figures"][2]
    assert ">3<" not in figure.svg
    assert ">4<" in figure.svg


def test_the_images_that_quantization_lost_are_shown(build_run, load):
    run = load(build_run(champion="qat_w4a8", refused=()))
    lost = quality(run)["lost"]
    assert lost["name"] == "qat_w4a8"
    assert 0 < lost["count"] <= lost["wrong"]
    assert len(lost["samples"]) == min(lost["count"], 12)
    assert all(sample["truth"] != sample["taken"] for sample in lost["samples"])
    assert all(sample["picture"].startswith("data:image/png;base64,") for sample in lost["samples"])
