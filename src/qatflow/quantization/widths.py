"""Chooses a weight width for each layer under a budget of bytes or latency, exactly."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.optimize import Bounds, LinearConstraint, milp

from qatflow.errors import ParamsError
from qatflow.quantization.sensitivity import LayerSensitivity

BASE_BITS = 8
Vector = npt.NDArray[np.float64]


def allocate(
    sensitivities: Sequence[LayerSensitivity],
    *,
    size_bytes: int,
    byte_budget: int | None = None,
    latency_us: float = 0.0,
    latency_budget_us: float | None = None,
) -> dict[str, int]:
    """Return the weight bits of each layer that lose least in total and keep the flatbuffer within the budgets.

    A multiple-choice knapsack over additive losses: each layer keeps 8 bits or takes one of its entries. Solved exactly
    as an integer program by branch and cut (HiGHS, Huangfu and Hall, Math. Prog. Comp. 10:119, 2018).

    Args:
        sensitivities: One entry for each layer and width other than 8 that may be chosen.
        size_bytes: Size of the all-8-bit flatbuffer.
        byte_budget: Most bytes that the flatbuffer may have.
        latency_us: Median latency of the all-8-bit flatbuffer.
        latency_budget_us: Most microseconds that it may take.

    Raises:
        ParamsError: If nothing meets a budget; the message names the nearest that can be met.
    """
    losses, savings, times = (
        np.array([getattr(entry, name) for entry in sensitivities], np.float64)
        for name in ("loss", "bytes_saved", "latency_us")
    )
    once = _one_choice_a_layer(sensitivities)
    limits = [once]
    if byte_budget is not None:
        _check(limits, -savings, byte_budget - size_bytes, f"{byte_budget} bytes", size_bytes)
        limits.append(LinearConstraint(-savings[None], ub=byte_budget - size_bytes))
    if latency_budget_us is not None:
        spare = latency_budget_us - latency_us
        _check(limits, times, spare, f"{latency_budget_us:g} µs", latency_us)
        limits.append(LinearConstraint(times[None], ub=spare))
    chosen = _minimize(losses, limits)
    taken = {entry.layer: entry.bits for entry, yes in zip(sensitivities, chosen, strict=True) if yes}
    return {entry.layer: taken.get(entry.layer, BASE_BITS) for entry in sensitivities}


def _one_choice_a_layer(sensitivities: Sequence[LayerSensitivity]) -> LinearConstraint:
    layers = list(dict.fromkeys(entry.layer for entry in sensitivities))
    rows = np.array([[entry.layer == layer for entry in sensitivities] for layer in layers], np.float64)
    return LinearConstraint(rows.reshape(len(layers), len(sensitivities)), ub=1.0)


def _check(limits: Sequence[LinearConstraint], costs: Vector, spare: float, budget: str, base: float) -> None:
    """Refuse a budget below what the cheapest choice within the other limits costs."""
    least = float(costs @ _minimize(costs, limits)) if len(costs) else 0.0
    if least > spare:
        unit = budget.rpartition(" ")[2]
        raise ParamsError(
            f"No choice of 4 and 8 bits meets the budget of {budget}; the nearest that can be met is "
            f"{base + least:.0f} {unit}"
        )


def _minimize(costs: Vector, limits: Sequence[LinearConstraint]) -> npt.NDArray[np.bool_]:
    """Return which entries to take, (n,) bool, for the least sum of costs."""
    if not len(costs):
        return np.zeros(0, bool)
    scale = float(np.abs(costs).max()) or 1.0  # HiGHS's tolerances are absolute
    found = milp(
        costs / scale,
        integrality=np.ones(len(costs)),
        bounds=Bounds(0, 1),
        constraints=limits,
        options={"mip_rel_gap": 0.0},
    )
    return np.asarray(np.rint(found.x), bool)
