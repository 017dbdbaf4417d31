from qatflow.search.clock import Clock


def test_without_a_budget_everything_may_start():
    assert Clock().reason_to_skip(1e9) == ""


def test_what_cannot_end_in_time_is_not_started():
    clock = Clock(100.0)

    assert clock.reason_to_skip(50.0) == ""
    assert clock.reason_to_skip(150.0) == "would take about 150.0 s, 100.0 s of the time budget are left"


def test_time_that_is_used_up_is_not_negative():
    assert "0.0 s of the time budget are left" in Clock(-1.0).reason_to_skip(1.0)
