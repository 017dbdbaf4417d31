"""The section `ensemble`."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from qatflow.params.base import Name, Section


def _known_members(value: Any) -> Any:
    """Refuse what is neither a word nor a list with one sentence, where a union would say one for each alternative."""
    if isinstance(value, str) and value in {"auto", "none"}:
        return value
    if not isinstance(value, tuple) or not all(isinstance(name, str) for name in value):
        raise ValueError("expected auto, none or a list of variants")
    if len(value) < 2:
        raise ValueError("an ensemble needs two members at least; none switches it off")
    if len(set(value)) != len(value):
        raise ValueError("a member is named twice; `combine: weighted` finds its weight")
    return value


class EnsembleParams(Section):
    """Which variants are merged into one flatbuffer, and how their outputs are combined."""

    members: Annotated[Literal["auto", "none"] | tuple[str, ...], BeforeValidator(_known_members)] = "auto"
    size: Annotated[int, Field(ge=2)] = 3
    combine: Name = "weighted"
