"""Checks settings of a plug, given by name, against what the plug takes, before anything is trained."""

import inspect
import math
from collections.abc import Callable, Collection, Mapping
from typing import Any

from qatflow.errors import ParamsError, nearest

Setting = bool | float
Range = tuple[str, Callable[[float], bool]]

_BELOW_ONE: Range = ("at least 0 and below 1", lambda value: 0 <= value < 1)
_SHARE: Range = ("above 0 and at most 1", lambda value: 0 < value <= 1)
_POSITIVE: Range = ("above 0", lambda value: 0 < value < math.inf)
_NOT_NEGATIVE: Range = ("at least 0", lambda value: 0 <= value < math.inf)
RANGES: Mapping[str, Range] = {
    **dict.fromkeys(("beta_1", "beta_2", "rho", "momentum", "floor"), _BELOW_ONE),
    **dict.fromkeys(("drop", "every", "end"), _SHARE),
    **dict.fromkeys(("clipnorm", "clipvalue", "epsilon"), _POSITIVE),
    **dict.fromkeys(("weight_decay", "initial_accumulator_value"), _NOT_NEGATIVE),
}
"""Setting -> what its numbers must be. Keras itself takes any number for most, and then trains to NaN."""


def checked(
    plug: str, function: Callable[..., Any], given: Mapping[str, Setting], reserved: Collection[str]
) -> dict[str, Setting]:
    """Return the settings given for a plug.

    Args:
        plug: Kind and name, for the message.
        function: The plug; its arguments with a default are the settings that it takes.
        given: Setting -> number or bool.
        reserved: Arguments that are set otherwise.

    Raises:
        ParamsError: If the plug has no such setting (the message lists those it has and the nearest match), or the
            value is of the wrong kind or out of range.
    """
    arguments = inspect.signature(function).parameters.values()
    known = {each.name: each.default for each in arguments if each.default is not each.empty}
    known = {name: default for name, default in known.items() if name not in reserved}
    for name, value in given.items():
        if name not in known:
            takes = f"It takes: {', '.join(sorted(known))}." if known else "It takes none."
            raise ParamsError(f"{plug} has no setting '{name}'. {takes}{nearest(name, known)}")
        _check(f"{plug}: {name}", name, value, known[name])
    return dict(given)


def _check(where: str, name: str, value: Setting, default: Any) -> None:
    if isinstance(default, bool) != isinstance(value, bool):
        wanted = "true or false" if isinstance(default, bool) else "a number"
        raise ParamsError(f"{where} must be {wanted}, but it is {value!r}")
    wanted, holds = RANGES.get(name, ("", lambda _: True))
    if not holds(value):
        raise ParamsError(f"{where} must be {wanted}, but it is {value!r}")
