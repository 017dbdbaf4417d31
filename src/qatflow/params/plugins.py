"""Section `plugins`: architectures, data sources, strategies and gates of a project's own, by name and place."""

import re
from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator

from qatflow.params.base import Name, Section


def _is_location(text: str) -> str:
    """Refuse what is neither `folder/file.py:name` below the project nor `package.module:name`."""
    place, _, name = text.partition(":")
    inside = re.fullmatch(r"([A-Za-z0-9_]+/)*[A-Za-z0-9_]+\.py", place) or re.fullmatch(r"[A-Za-z_][\w.]*", place)
    if not inside or not name.isidentifier():
        raise ValueError("expected 'plugins/file.py:name', below the project, or 'package.module:name'")
    return text


Location = Annotated[str, AfterValidator(_is_location)]


class PluginParams(Section):
    """What a project adds; each name can then be used where the built-in ones can. See docs/project.md.

    Attributes:
        architectures: For `model.name`; see `qatflow.models.base.Architecture`.
        sources: For `data.source`; see `qatflow.data.base.DataSource`.
        strategies: For `quantize.variants`; see `qatflow.quantization.base.Strategy`.
        gates: For `release.gates`; see `qatflow.release.base.Gate`.
    """

    architectures: Mapping[Name, Location] = {}
    sources: Mapping[Name, Location] = {}
    strategies: Mapping[Name, Location] = {}
    gates: Mapping[Name, Location] = {}
