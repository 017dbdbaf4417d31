"""The monitor's page where one feature has moved beyond all others."""

import pytest

from qatflow.monitoring.drift_report import Feature
from qatflow.report.wording import p_value
from qatflow.visualize.monitoring import ALWAYS_SHOWN, _beyond, _widest


@pytest.mark.parametrize(
    "effects", [[0.0] * 5, [0.1, 0.2, 0.3], [2.0, 9.0, 30.0, 35.0], [50.0], [4.0, 0.0], [3.0, *[0.0] * 20]]
)
def test_typical_shifts_all_fit(effects):
    assert max(effects) <= _widest(effects)


def test_an_outlier_does_not_press_the_others_flat():
    effects = [215.0, 1.2, 0.9, 0.8, 0.3, 0.2, 0.1]
    shown = [Feature(f"f{number}", effect, 0.1, 0.5, 0.5, False) for number, effect in enumerate(effects)]
    widest = _widest(effects)

    assert max(effects[1:]) < widest <= 1.08 * ALWAYS_SHOWN
    assert _beyond(shown, widest) == " An arrow goes beyond the axis: f0 (+215)."
    assert _beyond(shown[1:], widest) == ""


def test_a_p_that_rounds_to_nothing_is_told_as_a_bound():
    assert (p_value(1e-305), p_value(0.00011), p_value(1.0)) == ("< 0.0001", "0.0001", "1.0000")
