"""What a result is: a frozen value, written to a file and read from it in one place, with the number of its schema."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from qatflow import artifacts
from qatflow.errors import ArtifactError

Known = TypeVar("Known")


class Part(BaseModel):
    """A part of a result: frozen, unknown names refused. What was never set is not written."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON-like values."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)


class Result(Part):
    """A part that has a file of its own, `FILE`, of schema `SCHEMA`. Files of before it was written are of schema 1."""

    FILE: ClassVar[str]
    SCHEMA: ClassVar[int] = 1

    def write(self, folder: Path) -> None:
        """Write `folder / FILE`; equal values give equal bytes."""
        artifacts.write_json(folder / self.FILE, {"schema": self.SCHEMA, **self.to_dict()})

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read `folder / FILE`.

        Raises:
            ArtifactError: If it is missing, no JSON, of another schema, or lacks a figure or has one of another kind.
        """
        path = folder / cls.FILE
        return cls.parse(artifacts.read_json(path), str(path))

    @classmethod
    def parse(cls, found: Any, path: str) -> Self:
        """Return the result that JSON-like values hold; `path` is where they stood.

        Raises:
            ArtifactError: As `read`.
        """
        schema = found.get("schema", 1) if isinstance(found, dict) else cls.SCHEMA
        if schema != cls.SCHEMA:
            raise ArtifactError(
                f"{path} has schema {schema}, and this version of QATFlow reads {cls.SCHEMA}: install the version that "
                "wrote it, or let `qatflow run` make it again"
            )
        try:
            return cls.model_validate(_without_schema(found))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "the whole"
            raise ArtifactError(f"{path}: {where}: {first['msg']}; `qatflow run` makes it again") from None


def _without_schema(found: Any) -> Any:
    return {name: value for name, value in found.items() if name != "schema"} if isinstance(found, dict) else found


def known(value: Known | None, what: str) -> Known:
    """Return a figure that not every result has.

    Raises:
        ArtifactError: If this one has not.
    """
    if value is None:
        raise ArtifactError(f"{what} was not measured, so nobody knows it; `qatflow run` measures it")
    return value
