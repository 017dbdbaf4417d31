"""The quantization-aware optimizer: a wrapper round any other that knows grids and what low-bit kernels need."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from qatflow.backend import keras, tf
from qatflow.params.quantize import QatParams
from qatflow.training.optimizers import make_optimizer

GRID = "_log_"
"""Part of the name of every variable that holds the logarithm of a step or range."""
Pair = tuple[Any, Any]
"""A gradient, or None, and its variable."""


class Rule:
    """What is done to one kernel besides an optimizer's steps; as it stands, nothing.

    Attributes:
        kernel: The variable.
    """

    def __init__(self, kernel: Any) -> None:
        self.kernel = kernel

    def build(self, state: Callable[[str, Any], Any]) -> None:
        """Make what is to be remembered: `state(name, value)` returns a variable of the kernel's shape and dtype."""

    def pull(self) -> Any:
        """Return what is added to the kernel's gradient, of its shape."""
        return 0.0

    def hold(self) -> None:
        """Change the kernel after each step; runs once a device."""
        del self  # AutoGraph complains of empty functions


class QuantizationAware(keras.optimizers.Optimizer):
    """An optimizer for fake-quant models, in place of one that knows nothing of quantization.

    Grids (steps and ranges, learned in their logarithm) have an optimizer and a rate of their own, and no weight
    decay, which would pull steps to 1. Both optimizers clip by themselves: gradients of grids are of another size, and
    would else decide how much of the kernels' is left. The scale of the grids' gradients is LSQ's, from the fake-quant
    itself (`quantization.quantizers.lsq`), which knows count and levels.

    Runs in a `tf.distribute` strategy where the optimizers do. `variables` is the whole state.

    Args:
        weights: Updates what is no grid; its steps are counted and its rate is reported.
        grids: Updates the variables whose name holds `GRID`.
        rules: Of low-bit kernels, see `quantization.oscillation`.
    """

    def __init__(
        self, weights: keras.optimizers.Optimizer, grids: keras.optimizers.Optimizer, rules: Sequence[Rule] = ()
    ) -> None:
        super().__init__("quantization_aware")
        self.iterations = weights.iterations
        self._of_weights, self._of_grids, self._rules = weights, grids, tuple(rules)
        grids.exclude_from_weight_decay(var_names=[GRID])

    @property
    def variables(self) -> list[Any]:
        """The state of both optimizers, then of the rules."""
        own = super().variables[1:]  # the first is a count of steps that `weights` keeps instead
        return [*self._of_weights.variables, *self._of_grids.variables, *own]

    @property
    def learning_rate(self) -> Any:
        """The rate of the weights."""
        return self._of_weights.learning_rate

    def build(self, var_list: Iterable[Any]) -> None:
        """Make the whole state, before the first step or at it."""
        if getattr(self, "_built", False):
            return
        self._built = True
        for optimizer, variables in self._parted([(None, variable) for variable in var_list]):
            optimizer.build([variable for _, variable in variables])
        for rule in self._rules:
            rule.build(partial(self._state, rule.kernel))

    def apply_gradients(
        self,
        grads_and_vars: Iterable[Pair],
        name: str | None = None,
        skip_gradients_aggregation: bool = False,
        **kwargs: Any,
    ) -> Any:
        """Make one step; see `keras.optimizers.Optimizer.apply_gradients`."""
        pairs = list(grads_and_vars)
        with tf.init_scope():
            self.build([variable for _, variable in pairs])
        if not skip_gradients_aggregation:
            pairs = self.aggregate_gradients(pairs)
        for optimizer, own in self._parted(self._pulled(pairs)):
            optimizer.apply_gradients(own, name, skip_gradients_aggregation=True, **kwargs)
        if self._rules:
            tf.distribute.get_replica_context().merge_call(self._hold)
        return self.iterations

    def finalize_variable_values(self, var_list: Iterable[Any]) -> None:
        """Put moving averages, where there are any, into the variables."""
        for optimizer, own in self._parted([(None, variable) for variable in var_list]):
            optimizer.finalize_variable_values([variable for _, variable in own])

    def get_config(self) -> dict[str, Any]:
        """Return the configurations of both optimizers."""
        return {"weights": self._of_weights.get_config(), "grids": self._of_grids.get_config()}

    def _parted(self, pairs: Sequence[Pair]) -> list[tuple[keras.optimizers.Optimizer, list[Pair]]]:
        """Return each optimizer that has something to do, with its pairs."""
        weights = [pair for pair in pairs if GRID not in pair[1].name]
        grids = [pair for pair in pairs if GRID in pair[1].name]
        return [(each, own) for each, own in ((self._of_weights, weights), (self._of_grids, grids)) if own]

    def _pulled(self, pairs: Sequence[Pair]) -> list[Pair]:
        pulls: dict[int, list[Rule]] = {}
        for rule in self._rules:
            pulls.setdefault(id(rule.kernel), []).append(rule)
        return [
            (sum((rule.pull() for rule in pulls.get(id(variable), ())), gradient), variable)
            for gradient, variable in pairs
        ]

    def _state(self, kernel: Any, name: str, value: Any) -> Any:
        return self.add_variable_from_reference(kernel, name, initial_value=value)

    def _hold(self, strategy: Any) -> None:
        for rule in self._rules:
            strategy.extended.update(rule.kernel, lambda _, rule=rule: rule.hold(), group=False)


def make_quantization_aware(
    training: QatParams, steps: int, rules: Sequence[Rule] = (), factor: Any = 1.0
) -> QuantizationAware:
    """Return the optimizer of `training` wrapped for a run of `steps` steps.

    `factor` multiplies both learning rates; a variable can change them while they train.
    That of the grids shares schedule, clipping and averaging, but not `optimizer_settings`, which are the other's.

    Raises:
        ParamsError: If there is no such optimizer or schedule, or it has no such setting.
    """
    of_grids = {
        "optimizer": training.grid_optimizer,
        "optimizer_settings": {},
        "learning_rate": training.grid_learning_rate,
    }
    grids = make_optimizer(training.model_copy(update=of_grids), steps, factor)
    return QuantizationAware(make_optimizer(training, steps, factor), grids, rules)
