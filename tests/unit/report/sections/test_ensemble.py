from qatflow.report.page import render
from qatflow.report.sections.ensemble import ensemble
from qatflow.report.sections.learning import learning
from qatflow.report.wording import SPACE


def test_members_the_best_single_model_and_the_ensemble_have_a_row(build_run, load):
    part = ensemble(load(build_run(ensemble=True)))

    assert [(row["name"], row["weight"]) for row in part["rows"]] == [
        ("ptq_w8a8", "0.333"), ("qat_w8a8_per_channel", "0.333"), ("ensemble", "")
    ]  # fmt: skip
    assert [row["best"] for row in part["rows"]] == [True, False, False]
    assert part["rows"][0]["ece"] == f"2.1{SPACE}%"


def test_the_verdict_says_gain_significance_and_price(build_run, load):
    verdict = ensemble(load(build_run(ensemble=True)))["verdict"].replace(SPACE, " ")

    assert verdict.startswith("Accuracy +0.6 points against ptq_w8a8, the best single model (p = 0.031), for 1.7")
    assert verdict.endswith("its latency.")


def test_regressors_have_no_calibration_error(build_run, load):
    run = load(build_run(ensemble=True, task="regression"))

    assert ensemble(run)["has_ece"] is False
    assert "Calibration error" not in render(run, "model")


def test_none_says_why(run):
    assert ensemble(run)["rows"] == []
    assert "There is no ensemble: it is switched off." in render(run, "model")


def test_its_name_is_not_among_the_variants_that_needed_no_training(build_run, load):
    assert learning(load(build_run(ensemble=True)))["untrained"] == ["ptq_w8a8"]
