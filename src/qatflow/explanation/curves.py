"""Deletion and insertion: does the answer follow the players that the attribution calls important?"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from qatflow.artifacts import Array
from qatflow.explanation.drift import mean_with_interval, rounded
from qatflow.explanation.game import Game

RANDOM_ORDERS = 8


def curves(game: Game, values: Array, seed: Sequence[int]) -> npt.NDArray[np.float64]:
    """Return the answer while players go and come, in the attribution's order and in random ones.

    Deletion begins with all players and takes the one that adds most first; insertion begins with none and adds it
    first. Petsiuk, Das and Saenko (RISE), BMVC 2018.

    Args:
        game: Of one sample, played for one output.
        values: The attribution, (players,).
        seed: Of the random orders, whose curves are averaged.

    Returns:
        (2, 2, players + 1) float64: deletion and insertion, each in the attribution's order and in random ones, by
        number of players taken or added.
    """
    count = len(values)
    random = np.random.default_rng(list(seed))
    orders = [np.argsort(-values, kind="stable"), *(random.permutation(count) for _ in range(RANDOM_ORDERS))]
    inserted = np.stack([_first(order) for order in orders])
    masks = np.stack([~inserted, inserted])
    worth = game.worth(masks.reshape(-1, count))[:, 0].reshape(2, len(orders), count + 1)
    return np.stack([worth[:, 0], worth[:, 1:].mean(axis=1)], axis=1)


def area(curve: Array) -> npt.NDArray[np.float64]:
    """Return the area under curves (…, points) over shares of players from 0 to 1, by trapezoids: the mean answer."""
    return np.asarray(np.trapezoid(curve, axis=-1) / (curve.shape[-1] - 1))


def summarize_curves(found: Array, seed: int) -> dict[str, Any]:
    """Return mean curves, areas and what the attribution gains on random orders, of curves (n, 2, 2, points).

    `gain` is positive where the attribution does better: deletion that falls sooner, insertion that rises sooner.
    """
    areas = area(found)
    gains = {"deletion": areas[:, 0, 1] - areas[:, 0, 0], "insertion": areas[:, 1, 0] - areas[:, 1, 1]}
    return {
        name: {
            "curve": [rounded(value) for value in found[:, kind, 0].mean(axis=0)],
            "random": [rounded(value) for value in found[:, kind, 1].mean(axis=0)],
            "area": rounded(areas[:, kind, 0].mean()),
            "random_area": rounded(areas[:, kind, 1].mean()),
            "gain": mean_with_interval(gains[name], seed),
        }
        for kind, name in enumerate(("deletion", "insertion"))
    }


def _first(order: Array) -> npt.NDArray[np.bool_]:
    """Return who is present after 0, 1, … players of an order have come: (players + 1, players)."""
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    return np.asarray(rank < np.arange(len(order) + 1)[:, None])
