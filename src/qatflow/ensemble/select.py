"""Chooses an ensemble's members from many models."""

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from qatflow.artifacts import Array
from qatflow.ensemble.combine import MEAN, Combiner
from qatflow.ensemble.loss import loss
from qatflow.ensemble.weights import equal_weights

ROUNDS = 20
"""Picks after which the shares of the members hardly change any more."""
Rank = tuple[float, float]
"""Share of errors (of a vote, else 0) and loss; the lowest is the best."""


def select(task: str, truth: Array, outputs: Array, combiner: Combiner, size: int) -> tuple[int, ...]:
    """Return the positions of the chosen models, in the order in which they were chosen.

    Greedy forward selection (Caruana et al., "Ensemble Selection from Libraries of Models", ICML 2004): the model that
    lowers the loss of the ensemble most comes in, round after round, and the best round counts. Where a combiner takes
    weights, a model may be picked several times (selection with replacement), which stands for its weight; else once.
    A single model is returned if no second one helps. A vote is judged by its errors first, by the loss among equals.

    Args:
        task: See `loss.loss`.
        truth: Of the validation split; see `loss.loss`.
        outputs: Of all models, (m, n, k) float32.
        combiner: How the outputs become one.
        size: Most members.
    """
    rule: Combiner = MEAN if combiner.weighs else combiner

    def rank(picks: Sequence[int]) -> Rank:
        weights = [np.float32(weight) for weight in equal_weights(len(picks))]
        combined = rule.combine(outputs[list(picks)], weights)
        return float(np.mean(combined.argmax(axis=1) != truth)) if rule.votes else 0.0, loss(task, truth, combined)

    picks = _grow(rank, len(outputs), size, repeat=combiner.weighs)
    return tuple(Counter(picks))


def _grow(rank: Callable[[Sequence[int]], Rank], models: int, size: int, *, repeat: bool) -> list[int]:
    """Pick round after round and return the picks up to the best round."""
    picks: list[int] = []
    ranks: list[Rank] = []
    for _ in range(ROUNDS if repeat else min(size, models)):
        found = {model: rank([*picks, model]) for model in _allowed(picks, models, size, repeat=repeat)}
        best = min(found, key=lambda model: (found[model], model))
        picks.append(best)
        ranks.append(found[best])
    return picks[: ranks.index(min(ranks)) + 1]


def _allowed(picks: Sequence[int], models: int, size: int, *, repeat: bool) -> Sequence[int]:
    """Return which models may come next: no more than `size` different ones, each once unless `repeat`."""
    full = len(set(picks)) == size
    return [model for model in range(models) if (repeat if model in picks else not full)]
