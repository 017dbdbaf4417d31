import pytest

from qatflow import params_file
from qatflow.errors import ParamsError
from qatflow.models import ARCHITECTURES
from qatflow.params import SweepParams
from qatflow.quantization import STRATEGIES
from qatflow.sweep.names import KNOWN, check_names
from qatflow.training.optimizers import OPTIMIZERS


def test_the_written_names_are_those_of_the_registries():
    trained = [name for name, strategy in STRATEGIES.items() if strategy.trained]
    assert KNOWN["optimizers"] == tuple(sorted(OPTIMIZERS))
    assert KNOWN["strategies"] == tuple(sorted(trained))
    assert KNOWN["models"] == tuple(sorted(ARCHITECTURES))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"optimizers": ("adam", "adamm")}, "sweep.optimizers: unknown 'adamm'. .*Did you mean 'adam'?"),
        ({"strategies": ("qat_w4a9",)}, "sweep.strategies: unknown 'qat_w4a9'. .*Did you mean 'qat_w4a8'?"),
        ({"strategies": ("ptq_w8a8",)}, "'ptq_w8a8' trains nothing, so that all optimizers give the same"),
        ({"models": ("small_cn",)}, "sweep.models: unknown 'small_cn'. .*Did you mean 'small_cnn'?"),
        ({"learning_rates": {"sdg": 0.1}}, "sweep.learning_rates: unknown 'sdg'. .*Did you mean 'sgd'?"),
    ],
)
def test_unknown_names_are_refused_with_the_nearest(settings, words):
    with pytest.raises(ParamsError, match=words):
        check_names(SweepParams(**settings))


@pytest.mark.parametrize("name", ["optimizers", "strategies", "models"])
@pytest.mark.parametrize(
    ("names", "words"), [([], "a sweep of nothing has no trials"), (["x", "x"], "names one twice")]
)
def test_a_sweep_of_nothing_and_names_given_twice_are_refused(tmp_path, name, names, words):
    with pytest.raises(ParamsError, match=f"sweep.{name}: .*{words}"):
        params_file.validate({"sweep": {name: names}}, tmp_path / "params.yaml")


def test_the_project_sweeps_names_that_exist():
    check_names(SweepParams())
