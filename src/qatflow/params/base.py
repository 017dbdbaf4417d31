"""What all sections of params.yaml share: how a section is read, and the types of fields."""

import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

Share = Annotated[float, Field(ge=0.0, lt=1.0)]
Count = Annotated[int, Field(ge=1)]
Rate = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]


def _is_name(text: str) -> str:
    """Refuse what could be more than a name where it becomes part of a command, a path or a format string."""
    if re.fullmatch(r"[a-z][a-z0-9_]{0,63}", text) is None:
        raise ValueError("expected a name of small letters, digits and _")
    return text


def is_text(text: str) -> str:
    """Refuse characters that no path and no title holds on purpose."""
    if not text.isprintable():
        raise ValueError("holds characters that cannot be printed")
    return text


Name = Annotated[str, AfterValidator(_is_name)]
"""Of a plug; which there are stands in `checks`."""
PathText = Annotated[str, Field(min_length=1, max_length=4096), AfterValidator(is_text)]


def _is_setting(value: Any) -> Any:
    """Refuse what is neither with one sentence, where a union would say one for each alternative."""
    if type(value) not in {bool, int, float}:
        raise ValueError("expected a number, true or false")
    return value


Setting = Annotated[bool | float, BeforeValidator(_is_setting)]


def _known_choices(value: Any) -> Any:
    """Refuse an empty list and one that names something twice."""
    if isinstance(value, tuple) and not value:
        raise ValueError("names nothing, and a sweep of nothing has no trials; list one name at least")
    if isinstance(value, tuple) and len(set(map(str, value))) != len(value):
        raise ValueError("names one twice")
    return value


Choices = Annotated[tuple[Name, ...], BeforeValidator(_known_choices)]


class Section(BaseModel):
    """A part of params.yaml: frozen, unknown keys refused, no silent conversion of text to numbers."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    @model_validator(mode="before")
    @classmethod
    def _lists_are_tuples(cls, values: Any) -> Any:
        """YAML knows lists only; frozen values hold tuples."""
        if not isinstance(values, Mapping):
            return values
        return {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
