"""The section `flow`."""

from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from pydantic import Field, field_validator

from qatflow.errors import nearest
from qatflow.params.base import Count, Section


class FlowParams(Section):
    """How the Prefect flow runs; no stage depends on these."""

    stage_timeout_s: Count = 3600
    retries: Annotated[int, Field(ge=0, le=10)] = 1
    retry_delay_s: Annotated[int, Field(ge=0)] = 5
    cron: Annotated[str, Field(min_length=9)] = "0 2 * * *"
    timezone: str = "UTC"
    monitor_every_s: Annotated[int, Field(ge=5)] = 300

    @field_validator("timezone")
    @classmethod
    def _is_a_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            known = nearest(name, available_timezones())
            raise ValueError(f"'{name}' is no time zone; IANA names such as Europe/Berlin are.{known}") from None
        return name
