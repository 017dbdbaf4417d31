import pytest

from qatflow.errors import ParamsError
from qatflow.training.settings import checked


def plug(rate, size, *, beta_1=0.9, floor=0.0, centered=False, decay=None, name="plug"):
    return rate, size, beta_1, floor, centered, decay, name


def test_what_is_given_comes_back():
    given = {"beta_1": 0.5, "centered": True, "decay": 1}

    assert checked("Plug", plug, given, {"name"}) == given


@pytest.mark.parametrize("name", ["rate", "size", "name", "beta1"])
def test_arguments_without_default_and_reserved_ones_are_no_settings(name):
    with pytest.raises(ParamsError, match=f"Plug has no setting '{name}'. It takes: beta_1, centered, decay, floor."):
        checked("Plug", plug, {name: 0.5}, {"name"})


def test_the_nearest_setting_is_offered():
    with pytest.raises(ParamsError, match="Did you mean 'beta_1'"):
        checked("Plug", plug, {"beta1": 0.5}, {"name"})


@pytest.mark.parametrize("value", [1.0, -0.1, float("nan"), float("inf")])
def test_numbers_out_of_range_are_refused(value):
    with pytest.raises(ParamsError, match="Plug: beta_1 must be at least 0 and below 1, but it is"):
        checked("Plug", plug, {"beta_1": value}, ())


@pytest.mark.parametrize(("name", "value", "wanted"), [("centered", 1, "true or false"), ("decay", False, "a number")])
def test_kinds_are_not_mixed(name, value, wanted):
    with pytest.raises(ParamsError, match=f"Plug: {name} must be {wanted}, but it is {value}"):
        checked("Plug", plug, {name: value}, ())
