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


def select(task: str, truth: Array, outputs: Array, combiner: Combiner, size: int) -> tuple[int, ...]:
    """Return the positions of the chosen models, in the order in which they were chosen.

    Greedy forward selection (Caruana et al., "Ensemble Selection from Libraries of Models", ICML 2004): the model that
    lowers the loss of the ensemble most comes in, round after round, and the best round counts. Where a combiner takes
    weights, a model may be picked several times (selection with replacement), which stands for its weight; else once.
    A single model is returned if no second one helps.

    Args:
        task: See `loss.loss`.
        truth: Of the validation split; see `loss.loss`.
        outputs: Of all models, (m, n, k) float32.
        combiner: How the outputs become one.
        size: Most members.
    """
    rule: Combiner = MEAN if combiner.weighs else combiner

    def loss_of(picks: Sequence[int]) -> float:
        weights = [np.float32(weight) for weight in equal_weights(len(picks))]
        return loss(task, truth, rule.combine(outputs[list(picks)], weights))

    picks = _grow(loss_of, len(outputs), size, repeat=combiner.weighs)
    return tuple(Counter(picks))


def _grow(loss_of: Callable[[Sequence[int]], float], models: int, size: int, *, repeat: bool) -> list[int]:
    """Pick round after round and return the picks up to the round of lowest loss."""
    picks: list[int] = []
    losses: list[float] = []
    for _ in range(ROUNDS if repeat else min(size, models)):
        found = {model: loss_of([*picks, model]) for model in _allowed(picks, models, size, repeat=repeat)}
        best = min(found, key=lambda model: (found[model], model))
        picks.append(best)
        losses.append(found[best])
    return picks[: losses.index(min(losses)) + 1]


def _allowed(picks: Sequence[int], models: int, size: int, *, repeat: bool) -> Sequence[int]:
    """Return which models may come next: no more than `size` different ones, each once unless `repeat`."""
    full = len(set(picks)) == size
    return [model for model in range(models) if (repeat if model in picks else not full)]
