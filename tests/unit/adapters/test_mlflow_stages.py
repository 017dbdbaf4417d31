"""Which figures of a stage's results become metrics."""

from pathlib import Path

import pytest

from qatflow.adapters.mlflow_stages import RunTracker, figures, finished_stages
from qatflow.params.quantize import QuantizeParams
from qatflow.params.root import Params
from qatflow.release.receipt import Receipt, Shipped
from qatflow.release.select import Verdict
from tests.unit.release.fabricate import candidate, changed, digits


def test_numbers_of_two_levels_become_metrics() -> None:
    result = {
        "score": 0.5,
        "task": "classification",
        "float": {"score": 0.75, "metrics": {"deep": 1}},
        "lsb_histogram_kernels": {"-1": 3},
        "agreement_fake_quant": None,
    }

    assert figures(result) == {"score": 0.5, "float.score": 0.75}


def test_a_release_rests_on_all_variants() -> None:
    params = Params(quantize=QuantizeParams(variants=("a", "b")))

    assert finished_stages(params) == [
        "prepare", "pretrain", "transfer",
        "quantize@a", "quantize@b", "convert@a", "convert@b", "evaluate@a", "evaluate@b", "ensemble", "explain",
    ]  # fmt: skip


@pytest.mark.slow
def test_the_parent_run_carries_the_champions_figures_and_the_verdict(tmp_path: Path) -> None:
    home, champion = tmp_path / "artifacts", Shipped.of(3, candidate(), 0.975)
    because = "kept version 3: it is the winner itself"
    receipt = Receipt.of("kept", because, Verdict(None, {}, ()), champion)
    (home / "evaluate" / "ptq_w8a8").mkdir(parents=True)
    changed(candidate(), float={"score": 0.98}).evaluation.write(home / "evaluate" / "ptq_w8a8")
    (home / "release").mkdir()
    (home / "prepare").mkdir()
    digits().card.write(home / "prepare")
    receipt.write(home / "release")
    run = RunTracker(tmp_path, Params(), "nightly")
    parent = run.parent()

    run.finish(failed=False)

    found = run.tracker.client.get_run(parent)
    assert found.info.run_name == "kept: ptq_w8a8 0.9750"
    assert found.data.metrics == {
        "accuracy": 0.975,
        "float_accuracy": 0.98,
        "size_bytes": candidate().size_bytes,
        "latency_us": 12.5,
    }
    assert (found.data.tags["verdict"], found.data.tags["why"]) == ("kept", "kept version 3: it is the winner itself")
    kind = run.tracker.client.get_experiment(run.tracker.experiment_id).tags["mlflow.experimentKind"]
    assert kind == "custom_model_development"
