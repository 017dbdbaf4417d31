"""Which figures of a stage's results become metrics."""

from qatflow.adapters.mlflow_stages import figures, finished_stages
from qatflow.params import Params, QuantizeParams


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
