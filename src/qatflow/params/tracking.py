"""The section `tracking`."""

from typing import Annotated

from pydantic import AfterValidator, Field

from qatflow.params.base import Section, is_text


class TrackingParams(Section):
    """The MLflow server: a database or HTTP address."""

    uri: Annotated[str, Field(pattern=r"^(sqlite:///|postgresql|mysql|mssql|https?://|databricks)")] = (
        "sqlite:///mlflow.db"
    )
    experiment: Annotated[str, Field(min_length=1, max_length=250), AfterValidator(is_text)] = "qatflow"
