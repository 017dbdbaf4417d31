"""Which of several models no other one beats."""

from collections.abc import Sequence

import numpy as np


def pareto_front(costs: Sequence[Sequence[float]]) -> list[bool]:
    """Return for each row whether no other row is at most as dear in every column and cheaper in one.

    Args:
        costs: (n, k) finite numbers, lower is better; figures of merit go in negated. Equal rows are all kept.
    """
    if not len(costs):
        return []
    rows = np.asarray(costs, np.float64)
    return [bool(not ((rows <= row).all(axis=1) & (rows < row).any(axis=1)).any()) for row in rows]
