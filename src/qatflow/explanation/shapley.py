"""Shapley values by shap's KernelExplainer; docs/explanation.md says why this one and how exact it is."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt

from qatflow.artifacts import Array
from qatflow.explanation.game import Game


def attribute(game: Game, evaluations: int, seed: Sequence[int]) -> npt.NDArray[np.float64]:
    """Return what each player adds to each output, (players, outputs) float64; see `attribute_all`."""
    return attribute_all([game], evaluations, seed)[0]


def attribute_all(games: Sequence[Game], evaluations: int, seed: Sequence[int]) -> list[npt.NDArray[np.float64]]:
    """Return of each game what each player adds to each output, (players, outputs) float64.

    The sum over the players is the output less its mean over the fillers. Kernel SHAP: Lundberg and Lee, NeurIPS 2017.
    All games are tried with the same coalitions, which are drawn once: that is most of what shap itself costs.

    Args:
        games: In which the same players can matter.
        evaluations: Coalitions tried for each player. Few players are tried in all coalitions, which is exact.
        seed: Decides which coalitions are tried.
    """
    import shap  # two seconds, which only an explanation needs

    moving = games[0].moving()
    nobody = np.zeros((1, len(moving)))

    def worth(present: Array) -> Array:
        return np.concatenate([game.worth(present > 0.5) for game in games], axis=1)

    with _seeded(seed):
        explainer = shap.KernelExplainer(worth, nobody)
        wanted = evaluations * max(1, int(moving.sum()))
        values = explainer.shap_values(moving[None].astype(float), nsamples=wanted, l1_reg=False, silent=True)
    ends = np.cumsum([len(game.outputs) for game in games])[:-1]
    return np.split(np.asarray(values, np.float64).reshape(len(moving), -1), ends, axis=1)


def attribute_samples(
    samples: Sequence[Sequence[Game]], evaluations: int, seed: Sequence[int]
) -> list[list[npt.NDArray[np.float64]]]:
    """Return `attribute_all` of each sample's games; samples in which the same players matter share their coalitions.

    Args:
        samples: For each sample its games on several models.
        evaluations: Coalitions tried for each player.
        seed: Decides which coalitions are tried.
    """
    alike: dict[bytes, list[int]] = {}
    for index, games in enumerate(samples):
        alike.setdefault(games[0].moving().tobytes(), []).append(index)
    found: list[list[npt.NDArray[np.float64]]] = [[] for _ in samples]
    for members in alike.values():
        values = iter(attribute_all([game for index in members for game in samples[index]], evaluations, seed))
        for index in members:
            found[index] = [next(values) for _ in samples[index]]
    return found


@contextmanager
def _seeded(seed: Sequence[int]) -> Iterator[None]:
    """Seed NumPy's global generator, which shap draws from, and give it back as it was."""
    before = np.random.get_state()  # noqa: NPY002 (shap knows no other)
    np.random.seed(list(seed))  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(before)  # noqa: NPY002
