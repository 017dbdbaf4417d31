"""The section `release`: the card, and the gates with their defaults."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from qatflow.params.base import Name, Section

Said = Annotated[str, Field(min_length=1, max_length=4000)] | None


class CardParams(Section):
    """What the model card says that no pipeline can know; null is "not stated"."""

    owner: Said = None
    license: Said = None
    contact: Said = None
    intended_use: Said = None
    intended_users: Said = None
    out_of_scope: Said = None
    factors: Said = None
    ethical_considerations: Said = None
    caveats: Said = None


GATES: Mapping[str, Mapping[str, float]] = {
    "accuracy_drop": {"max_drop": 0.02},
    "class_drop": {"max_drop": 0.02, "alpha": 0.05},
    "beats_ptq": {"alpha": 0.05, "margin": 0.02, "min_saving": 0.05},
    "beats_members": {"alpha": 0.05},
    "agreement": {"min_agreement": 0.95},
    "parity": {"min_agreement": 0.99},
    "explanation_drift": {"min_rank_correlation": 0.5},
    "size": {"max_ratio": 0.6},
    "latency": {"max_ratio": 4.0},
    "golden": {"max_lsb": 0.0},
    "beats_champion": {"alpha": 0.05, "margin": 0.02, "min_saving": 0.05},
}
"""Every gate of a release, and its settings where the parameters say nothing else."""


def _gates_over_defaults(given: Any) -> Any:
    """Lay the gates that are given over the defaults: what is not named holds as it is, null switches a gate off."""
    if not isinstance(given, Mapping):
        return given
    if not given:
        raise ValueError("is empty, which would promote anything: leave it out for the safe defaults")
    changed = {
        name: {**GATES.get(name, {}), **settings} if isinstance(settings, Mapping) else settings
        for name, settings in given.items()
    }
    return {**GATES, **changed}


class ReleaseParams(Section):
    """The registered model, what its card says, and what is asked of it.

    Attributes:
        objective: What a model that is as good as another must save: bytes (`size`) or time (`latency`); with `quality`
            only a better one will do.
        gates: Gate name -> its settings, laid over `GATES`; None for one that is switched off.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")] = "qatflow-digits"
    card: CardParams = CardParams()
    objective: Literal["size", "latency", "quality"] = "size"
    gates: Annotated[Mapping[Name, Mapping[Name, float] | None], BeforeValidator(_gates_over_defaults)] = GATES
    require_approval: bool = False
    canary: bool = False
