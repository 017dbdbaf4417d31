from dataclasses import replace

from qatflow.data.card import DataFile
from qatflow.report.sections.data import LISTED_FILES, data


def test_the_card_is_told_in_order(run):
    facts = dict(data(run)["facts"])
    assert facts["Samples"] == "1,150 train, 270 val, 360 test"
    assert facts["Duplicates"] == "0 within splits, 2 across, 2 dropped"
    assert facts["Shape"] == "8\u00d78\u00d71, float32"
    assert facts["Values"] == "min 0, max 16, mean 4.884, std 6.017"


def test_classes_keep_their_own_order(build_run, load, parse):
    figure = data(load(build_run(classes=("zebra", "ant"))))["figures"][0]
    names = [node.text for node in parse(figure.svg) if node.text in {"zebra", "ant"}]
    assert names == ["zebra", "ant"]


def test_regression_has_no_classes_to_balance(build_run, load):
    assert data(load(build_run(task="regression")))["figures"] == []


def test_anomaly_is_balanced_by_kind(build_run, load):
    run = load(build_run(task="anomaly"))
    assert data(run)["figures"][0].title == "normal has 4.0\u00d7 as many samples as anomaly"


def test_only_the_first_files_are_listed(build_run, load):
    run = load(build_run())
    files = tuple(DataFile(path=f"{i}.png", sha256="0" * 64, size_bytes=1000) for i in range(50))
    card = run.card.model_copy(update={"files": files, "files_total": 70_000})
    part = data(replace(run, card=card))
    assert len(part["files"]) == LISTED_FILES
    assert part["files_total"] == 70_000
