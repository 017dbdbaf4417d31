"""`qatflow deploy`: any bundle to any target, without a project; `qatflow promote` moves a project's champion."""

from pathlib import Path
from typing import Annotated, Any

import typer

from qatflow.errors import DeployError, QATFlowError, lookup
from qatflow.params.deploy import DeployParams

BundleFolder = Annotated[Path, typer.Argument(metavar="BUNDLE", help="Folder of a bundle, from whichever command.")]
TargetName = Annotated[
    str,
    typer.Option("--target", help="archive, http, local, micro (C sources for TFLite Micro) or mlflow."),
]
To = Annotated[str, typer.Option("--to", metavar="PLACE", help="A folder; of http, the address of a `qatflow serve`.")]
Name = Annotated[str, typer.Option(help="What the model is called, in C and in archives.")]
TokenFile = Annotated[Path | None, typer.Option(help="http: holds the server's token.")]
KeyFile = Annotated[
    Path | None, typer.Option("--key", help="Private key that signs the archive; see `qatflow keygen`.")
]
PlainHttp = Annotated[bool, typer.Option("--plain-http", help="http: the token may go to another machine unencrypted.")]


def deploy(  # noqa: PLR0913, PLR0917 (the command's options)
    bundle: BundleFolder,
    target: TargetName,
    to: To,
    name: Name = "model",
    token_file: TokenFile = None,
    key: KeyFile = None,
    plain_http: PlainHttp = False,
) -> None:
    """Deploy a bundle: to C sources, an archive, a folder that servers follow, a running server, or MLflow's format."""
    from qatflow.adapters.targets import TARGETS
    from qatflow.deploy.base import Place, where
    from qatflow.quiet import hushed

    put = lookup("deploy target", target, TARGETS)
    _check_not_the_projects(Path(to))
    files = {"token_file": token_file and str(token_file), "key_file": key and str(key)}
    known = {"target": target, "url": to if target == "http" else None, "plain_http": plain_http, **files}
    with hushed():
        delivery = put(bundle, Place(Path(to), name, _settings(known)))
    typer.echo(f" {target}  {where(Path(to), delivery)}  model {delivery['model_sha256'][:12]}…")


def _settings(known: dict[str, Any]) -> DeployParams:
    try:
        return DeployParams.model_validate(known)
    except ValueError:
        raise DeployError(f"'{known['url']}' is no address of a server; http://host:port is") from None


def _check_not_the_projects(place: Path) -> None:
    """A project's own place holds its champion, and only what its log knows of.

    Raises:
        DeployError: If it would be changed.
    """
    from qatflow.cli.serve import project

    try:
        root, params = project()
    except QATFlowError:  # params.yaml is not right; then nothing is deployed from there either
        return
    if (root / "params.yaml").is_file() and place.resolve() == (root / params.deploy.path).resolve():
        raise DeployError(
            f"{place} is where this project's champion lies, whose changes are in the promotion log; `qatflow promote "
            "VERSION` puts another there. Name another place with --to"
        )
