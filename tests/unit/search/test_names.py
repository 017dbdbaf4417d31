import pytest

from qatflow.errors import ParamsError
from qatflow.quantization import STRATEGIES
from qatflow.search.names import AUTO, check_strategy, ordered, weight_bits


@pytest.mark.parametrize("name", [*STRATEGIES, AUTO])
def test_every_strategy_is_known(name):
    check_strategy(name)


@pytest.mark.parametrize(("name", "bits"), [("qat_w3a8", 3), ("qat_w6a8", 6), ("ptq_w2a16", 2)])
def test_widths_whose_grid_does_not_survive_are_refused(name, bits):
    with pytest.raises(ParamsError, match=f"{bits}-bit weights, whose grid does not survive.*Known widths: 4, 8"):
        check_strategy(name)


def test_an_unknown_name_gets_the_nearest():
    with pytest.raises(ParamsError, match="Did you mean 'ptq_w8a8'"):
        check_strategy("ptq_w8a88")
    with pytest.raises(ParamsError, match="Did you mean 'auto'"):
        check_strategy("auot")


def test_widths_of_names():
    wanted = {"float32": 32, "float16": 16, "dynamic_range": 8, "ptq_w8a16": 8, "qat_w4a8": 4, "qat_mixed": 4}
    assert {name: weight_bits(name) for name in wanted} == wanted


def test_untrained_come_first_and_the_narrowest_training_before_the_others():
    cheap, trained = ordered(list(STRATEGIES))

    assert not any(STRATEGIES[name].trained for name in cheap)
    assert all(STRATEGIES[name].trained for name in trained)
    assert cheap[0] == "ptq_w8a8"
    assert trained[0] == "qat_w4a8"
    assert sorted(cheap + trained) == sorted(STRATEGIES)
