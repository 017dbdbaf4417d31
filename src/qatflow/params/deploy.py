"""The section `deploy`."""

from typing import Annotated

from pydantic import Field

from qatflow.params.base import Name, PathText, Section


class DeployParams(Section):
    """Where the champion goes; see docs/deploy.md. Secrets are never parameters, only where they are found.

    Attributes:
        path: Folder of the targets local, archive, mlflow and micro.
        url: Of the server of the target http.
        token_file: Holds the server's token; None for the environment variable `token_env`.
        plain_http: Whether a token may go to another machine unencrypted.
        timeout_s: In which the server must be live with the new model.
        key_file: Private key that archives are signed with; None signs nothing.
    """

    target: Name = "local"
    path: PathText = "deployed"
    url: Annotated[str, Field(pattern=r"^https?://[^/@?#]+(/[^@?#]*)?$", max_length=512)] | None = None
    token_file: PathText | None = None
    token_env: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,99}$")] = "QATFLOW_TOKEN"  # noqa: S105 (a name)
    plain_http: bool = False
    timeout_s: Annotated[float, Field(gt=0, le=3600)] = 60.0
    key_file: PathText | None = None
