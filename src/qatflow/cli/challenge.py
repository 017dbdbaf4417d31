"""`qatflow challenge`: try a version beside the champion on a running server, and see how it does."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from qatflow import params_file
from qatflow.cli.project import find_root
from qatflow.deploy.rollout import end_challenge, read_rollout, retreat_of
from qatflow.errors import DeployError

Version = Annotated[int | None, typer.Argument(metavar="[VERSION]", help="Of the registered model.")]
Mode = Annotated[
    Literal["canary", "shadow"], typer.Option(help="canary: answers a share of the clients; shadow: only compared.")
]
Share = Annotated[float | None, typer.Option(help="Of the clients; by default serving.canary.share.")]
End = Annotated[bool, typer.Option("--end", help="Withdraw the challenger.")]


def challenge(version: Version = None, mode: Mode = "canary", share: Share = None, end: End = False) -> None:
    """Try a version beside the champion; without a version, say what is tried. `qatflow promote` ends it well."""
    root = find_root()
    params = params_file.load(root / "params.yaml")
    path = root / params.deploy.path
    if end and version is not None:
        raise DeployError("A version and --end contradict each other; give one")
    if end:
        end_challenge(path)
        typer.echo(" no challenger")
    elif version is None:
        _say(path)
    else:
        from qatflow.adapters import promotions

        promotions.challenge(params, root, version, mode, params.serving.canary.share if share is None else share)
        _say(path)


def _say(path: Path) -> None:
    rollout = read_rollout(path)
    if rollout is None:
        typer.echo(" no challenger")
        return
    how = f"answers {rollout.share:.0%} of the clients" if rollout.mode == "canary" else "is compared"
    lost = "; ".join(retreat_of(path, rollout))
    typer.echo(f" challenger {rollout.challenger} {'retreated: ' + lost if lost else how}")
