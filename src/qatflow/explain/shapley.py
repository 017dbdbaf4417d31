"""Shapley values by shap's KernelExplainer; docs/explanation.md says why this one and how exact it is."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt

from qatflow.explain.game import Game


def attribute(game: Game, evaluations: int, seed: Sequence[int]) -> npt.NDArray[np.float64]:
    """Return what each player adds to each output, (players, outputs) float64.

    The sum over the players is the output less its mean over the fillers. Kernel SHAP: Lundberg and Lee, NeurIPS 2017.

    Args:
        game: Of one sample.
        evaluations: Coalitions tried for each player. Few players are tried in all coalitions, which is exact.
        seed: Decides which coalitions are tried. Equal seeds try equal ones on every model.
    """
    import shap  # two seconds, which only an explanation needs

    moving = game.moving()
    nobody = np.zeros((1, len(moving)))
    with _seeded(seed):
        explainer = shap.KernelExplainer(lambda present: game.worth(present > 0.5), nobody)
        wanted = evaluations * max(1, int(moving.sum()))
        values = explainer.shap_values(moving[None].astype(float), nsamples=wanted, l1_reg=False, silent=True)
    return np.asarray(values, np.float64).reshape(len(moving), -1)


@contextmanager
def _seeded(seed: Sequence[int]) -> Iterator[None]:
    """Seed NumPy's global generator, which shap draws from, and give it back as it was."""
    before = np.random.get_state()  # noqa: NPY002 (shap knows no other)
    np.random.seed(list(seed))  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(before)  # noqa: NPY002
