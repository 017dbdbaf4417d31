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


def test_all_trainings_share_a_picture(run):
    titles = [figure.title for figure in learning(run)["together"]]
    assert [title.split(" trains to the best validation ")[1].split(",")[0] for title in titles] == ["accuracy", "loss"]
    assert learning(replace(run, variants=run.variants[:2]))["together"] == []


def test_what_training_did_to_grids_is_drawn_where_it_was_traced(run):
    titles = [figure.title for figure in learning(run)["grids"]]
    assert [title.split(":")[0] for title in titles] == ["qat_w8a8_per_channel"] * 2 + ["qat_w4a8"] * 4
    bare = replace(run, variants=tuple(replace(variant, trace={}) for variant in run.variants))
    assert learning(bare)["grids"] == []
