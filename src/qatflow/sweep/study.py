"""Trials chosen by Optuna: a TPE sampler with a fixed seed, unpromising ones pruned; the study is kept in SQLite."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import optuna
from optuna.trial import FrozenTrial, TrialState

from qatflow import artifacts
from qatflow.params.root import Params
from qatflow.sweep.keep import home
from qatflow.sweep.result import TrialResult
from qatflow.sweep.trials import Trial, rate_of, seeds, trial_key

FACTORS = (0.1, 10.0)
"""Bounds of the learning rate, as multiples of the optimizer's own in `sweep.learning_rates`. Usual rates differ a
thousandfold among optimizers; a multiple lets the trials of one say something about those of another."""
STARTUP_TRIALS = 4
WARMUP_EPOCHS = 1
_RESULT, _SEED = "result", "seed"


class Search:
    """Asks Optuna for trials and tells it what they gave; used by one thread of the flow's process.

    The sampler is TPE (Bergstra et al., "Algorithms for Hyper-Parameter Optimization", 2011); it takes trials under way
    for bad ones, so that workers do not try the same. The pruner ends a trial whose best figure so far is below the
    median of what others had after as many epochs (Golovin et al., "Google Vizier", 2017). With one worker a sweep
    repeats itself; with several, what is known when a trial is chosen depends on which ended first.

    Args:
        params: All parameters.
        root: The project; the study is in .qatflow/sweep/optuna.db.
        origin: Digests of code and data; with others, or another search space, a new study begins.
    """

    def __init__(self, params: Params, root: Path, origin: Mapping[str, str]) -> None:
        self._params, self.total = params, params.sweep.trials
        self._under_way: dict[Trial, optuna.Trial] = {}
        self._study = _open(params, home(root), _name(params, origin))
        _ask_again(self._study)

    def earlier(self) -> list[TrialResult]:
        """Return the results of trials that ended before this process began."""
        return [
            TrialResult.parse(each.user_attrs[_RESULT], "the study of an earlier sweep")
            for each in self._study.get_trials()
            if _RESULT in each.user_attrs
        ]

    def ask(self) -> Trial | None:
        """Return the next trial, None if `sweep.trials` were chosen."""
        if len(_chosen(self._study)) >= self.total:
            return None
        asked = self._study.ask()
        trial = _suggest(asked, self._params)
        self._under_way[trial] = asked
        return trial

    def goes_on(self, trial: Trial, epoch: int, figure: float) -> bool:
        """Tell the pruner a figure after an epoch (from 1), higher is better; return whether to go on."""
        asked = self._under_way[trial]
        asked.report(figure, epoch)
        return not asked.should_prune()

    def tell(self, trial: Trial, result: TrialResult) -> None:
        """Tell what a trial gave: the score on the validation split, or that it was pruned or failed.

        A trial that was lost stays under way, so that the next sweep asks for it again.
        """
        asked = self._under_way.pop(trial)
        if result.status == "lost":
            return
        asked.set_user_attr(_RESULT, result.to_dict())
        states = {"done": TrialState.COMPLETE, "pruned": TrialState.PRUNED}
        state = states.get(result.status, TrialState.FAIL)
        self._study.tell(asked, result.val_score if state == TrialState.COMPLETE else None, state=state)


def _open(params: Params, folder: Path, name: str) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    folder.mkdir(parents=True, exist_ok=True)
    storage = optuna.storages.RDBStorage(f"sqlite:///{folder / 'optuna.db'}")
    study = optuna.create_study(
        storage=storage,
        study_name=name,
        direction="maximize",
        load_if_exists=True,
        pruner=optuna.pruners.MedianPruner(STARTUP_TRIALS, WARMUP_EPOCHS + 1),  # prunes from that step on
    )
    begun = len(study.get_trials(deepcopy=False))  # a sampler that starts again must not draw what it drew
    study.sampler = optuna.samplers.TPESampler(
        seed=params.seed + begun, n_startup_trials=STARTUP_TRIALS, constant_liar=True
    )
    return study


def _name(params: Params, origin: Mapping[str, str]) -> str:
    """Name the study by everything that decides what a trial of it gives."""
    sweep = params.sweep
    space = [*sweep.optimizers, *sweep.strategies, *sweep.models, sweep.seeds]
    some = Trial("adam", "qat_w4a8", "mlp", params.seed, 1.0)
    training = params.quantize.training.model_dump(mode="json")
    return artifacts.digest([space, dict(sweep.learning_rates), training, trial_key(some, params, origin)])[:32]


def _ask_again(study: optuna.Study) -> None:
    """Put the trials that an earlier process left under way in front of the queue."""
    for lost in study.get_trials(states=(TrialState.RUNNING,)):
        study.enqueue_trial(lost.params, user_attrs={_SEED: lost.user_attrs[_SEED]} if _SEED in lost.user_attrs else {})
        study.tell(lost.number, state=TrialState.FAIL)


def _chosen(study: optuna.Study) -> list[FrozenTrial]:
    """Return the trials under way and those with a result, failures too: a hopeless search must end."""
    return [t for t in study.get_trials(deepcopy=False) if t.state == TrialState.RUNNING or _RESULT in t.user_attrs]


def _suggest(asked: optuna.Trial, params: Params) -> Trial:
    """Let Optuna choose all but the seed: it would choose the luckiest."""
    sweep, possible = params.sweep, seeds(params)
    optimizer = asked.suggest_categorical("optimizer", sweep.optimizers)
    seed = asked.user_attrs.get(_SEED, possible[asked.number % len(possible)])
    asked.set_user_attr(_SEED, seed)
    return Trial(
        optimizer=optimizer,
        strategy=asked.suggest_categorical("strategy", sweep.strategies),
        model=asked.suggest_categorical("model", sweep.models),
        seed=seed,
        learning_rate=rate_of(optimizer, params) * asked.suggest_float("learning_rate_factor", *FACTORS, log=True),
    )
