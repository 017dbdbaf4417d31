from dataclasses import replace

from qatflow import artifacts
from qatflow.release.receipt import Shipped
from qatflow.report import summary

REFUSED_ALL = ("ptq_w8a8", "qat_w8a8_per_channel", "qat_w4a8")


def test_the_summary_holds_the_measured_figures(run):
    assert summary.summarize(run)["variants"]["qat_w4a8"] == {
        "accuracy": 343 / 360,
        "accuracy_interval": (343 / 360 - 0.015, 343 / 360 + 0.011),
        "samples": 360,
        "accuracy_drop": 353 / 360 - 343 / 360,
        "agreement": 0.9917,
        "agreement_fake_quant": 1.0,
        "size_bytes": 15_320,
        "size_zstd_bytes": 10_120,
        "latency_us": 11.4 + 8 * 0.37,
        "latency_ratio": (11.4 + 8 * 0.37) / 19.6,
        "sha256": artifacts.digest("qat_w4a8"),
        "passed": False,
        "refused_by": ["accuracy_drop"],
    }


def test_the_float_model_and_the_champion_are_summarized(run):
    made = summary.summarize(run)
    digest = artifacts.digest("float")
    assert made["float"] == {"accuracy": 353 / 360, "size_bytes": 78_212, "latency_us": 19.6, "sha256": digest}
    assert made["champion"]["variant"] == "qat_w8a8_per_channel"
    variant = made["variants"]["qat_w8a8_per_channel"]
    assert {made["champion"][name] - variant[name] for name in ("accuracy", "agreement", "size_bytes")} == {0}
    assert made["task"] == "classification"
    assert made["lineage"]["data_sha256"] == artifacts.digest("data")


def test_a_promotion_says_what_it_costs(run):
    assert summary.summarize(run)["verdict"] == (
        "Promoted qat_w8a8_per_channel as version 3: 3.1\u00d7 smaller than float, accuracy 97.8 %, "
        "as good as float (360 samples)."
    )


def test_a_champion_of_an_earlier_run_was_kept(build_run, load):
    run = load(build_run(champion="qat_of_last_week", refused=REFUSED_ALL))
    assert summary.verdict(run).startswith("Kept qat_of_last_week as version 3: ")
    assert summary.champion_variant(run) is None
    assert summary.summarize(run)["champion"]["agreement"] is None
    assert summary.focus(run).name == "qat_w8a8_per_channel"


def test_without_a_champion_nothing_ships(build_run, load):
    run = load(build_run(champion=None, refused=REFUSED_ALL))
    assert summary.verdict(run) == "Nothing ships: the gates refused all 3 variants."
    assert summary.summarize(run)["champion"] is None


def test_the_best_of_those_that_passed_is_in_focus(build_run, load):
    run = load(build_run(champion=None, refused=("qat_w8a8_per_channel",)))
    assert summary.focus(run).name == "ptq_w8a8"


def test_regression_speaks_of_r2(build_run, load):
    verdict = summary.verdict(load(build_run(task="regression")))
    assert verdict.endswith("smaller than float, R² 0.912, the same as float.")


def test_what_waits_for_approval_is_named_first(build_run, load):
    run = load(build_run(champion=None, refused=REFUSED_ALL[:2]))
    figures = {"size_bytes": 15_320, "latency_us": 9.0, "score": 343 / 360, "sha256": "a" * 64}
    waits = Shipped(version=4, variant="qat_w4a8", **figures)
    receipt = run.receipt.model_copy(update={"decision": "pending", "pending": waits})

    assert summary.verdict(replace(run, receipt=receipt)).startswith("Waiting for approval: qat_w4a8 as version 4: ")
