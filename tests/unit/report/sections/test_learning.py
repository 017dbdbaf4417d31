from dataclasses import replace

from qatflow.report.sections.learning import learning


def test_trained_models_have_curves_of_both_metrics(run):
    part = learning(run)
    assert part["untrained"] == ["ptq_w8a8"]
    names = {metric: [figure.title.split(":")[0] for figure in figures] for metric, figures in part["figures"].items()}
    assert names == {key: ["float", "qat_w8a8_per_channel", "qat_w4a8"] for key in ("accuracy", "loss")}


def test_regression_has_a_loss_only(build_run, load):
    assert list(learning(load(build_run(task="regression")))["figures"]) == ["loss"]


def test_a_model_taken_as_it_is_has_no_curve(run):
    part = learning(replace(run, history=[]))
    assert {len(figures) for figures in part["figures"].values()} == {2}
    assert list(learning(replace(run, history=[], variants=run.variants[:1]))["figures"]) == []
