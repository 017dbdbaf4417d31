from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qatflow.errors import ParamsError
from qatflow.quantization.sensitivity import LayerSensitivity
from qatflow.quantization.widths import allocate

SIZE, TIME = 10_000, 100.0


def entry(layer, loss, saved, time=0.0, bits=4):
    return LayerSensitivity(layer, bits, 0.0, None, None, None, loss, saved, time)


def totals(entries, widths):
    taken = [item for item in entries if widths[item.layer] == item.bits]
    return tuple(sum(getattr(item, name) for item in taken) for name in ("loss", "bytes_saved", "latency_us"))


def feasible(entries, budget, time_budget):
    layers = sorted({item.layer for item in entries})
    options = [[8, *(item.bits for item in entries if item.layer == layer)] for layer in layers]
    for bits in product(*options):
        loss, saved, time = totals(entries, dict(zip(layers, bits, strict=True)))
        if SIZE - saved <= budget and TIME + time <= time_budget:
            yield loss


layer_entries = st.lists(
    st.tuples(st.floats(-0.01, 1.0), st.integers(0, 2000), st.integers(-5, 20), st.booleans()), min_size=1, max_size=6
)


@given(layer_entries, st.integers(5_000, 11_000), st.integers(95, 140))
@settings(max_examples=60, deadline=None)
def test_no_other_choice_within_the_budgets_loses_less(rows, budget, time_budget):
    entries = [entry(str(n), loss, saved, time) for n, (loss, saved, time, _) in enumerate(rows)]
    entries += [entry(str(n), -loss, -2 * saved, 0, 32) for n, (loss, saved, _, both) in enumerate(rows) if both]
    possible = list(feasible(entries, budget, time_budget))
    budgets = {"byte_budget": budget, "latency_us": TIME, "latency_budget_us": float(time_budget)}
    if not possible:
        with pytest.raises(ParamsError, match="nearest that can be met"):
            allocate(entries, size_bytes=SIZE, **budgets)
        return

    loss, saved, time = totals(entries, allocate(entries, size_bytes=SIZE, **budgets))

    assert SIZE - saved <= budget
    assert TIME + time <= time_budget
    assert loss <= min(possible) + 1e-6


def test_the_cheapest_layers_give_way_and_the_sensitive_one_keeps_8_bits():
    entries = [entry("first", 0.5, 100), entry("middle", 0.01, 1000), entry("last", 0.02, 1000)]

    assert allocate(entries, size_bytes=SIZE, byte_budget=9_000) == {"first": 8, "middle": 4, "last": 8}
    assert allocate(entries, size_bytes=SIZE, byte_budget=8_000) == {"first": 8, "middle": 4, "last": 4}
    assert allocate(entries, size_bytes=SIZE, byte_budget=SIZE) == {"first": 8, "middle": 8, "last": 8}


def test_a_layer_that_hurts_at_8_bits_stays_float_where_bytes_allow():
    entries = [entry("conv", 0.1, 500), entry("conv", -0.2, -1500, bits=32)]

    assert allocate(entries, size_bytes=SIZE, byte_budget=12_000) == {"conv": 32}
    assert allocate(entries, size_bytes=SIZE, byte_budget=11_000) == {"conv": 8}


def test_a_budget_that_nothing_meets_is_told_the_nearest():
    entries = [entry("a", 0.1, 400), entry("b", 0.1, 600)]

    with pytest.raises(ParamsError, match="budget of 5000 bytes; the nearest that can be met is 9000 bytes"):
        allocate(entries, size_bytes=SIZE, byte_budget=5_000)
    with pytest.raises(ParamsError, match="nearest that can be met is 100 µs"):
        allocate(entries, size_bytes=SIZE, latency_us=TIME, latency_budget_us=50.0)


def test_a_model_without_layers_to_choose_from():
    assert allocate([], size_bytes=SIZE, byte_budget=SIZE) == {}
    with pytest.raises(ParamsError, match="10000 bytes"):
        allocate([], size_bytes=SIZE, byte_budget=SIZE - 1)


def test_hundreds_of_layers_are_no_trouble():
    entries = [entry(str(n), (n * 37 % 101) / 100, 50 + n * 53 % 997) for n in range(300)]
    saved = sum(item.bytes_saved for item in entries)

    widths = allocate(entries, size_bytes=10 * saved, byte_budget=10 * saved - saved // 2)

    assert totals(entries, widths)[1] >= saved // 2
