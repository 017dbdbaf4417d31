"""`qatflow promote`, `rollback`, `history` and `lineage`: the registry's commands. They need nothing running."""

from pathlib import Path
from typing import Annotated

import typer

from qatflow import params_file
from qatflow.cli.project import find_root
from qatflow.params import Params
from qatflow.release.bundle import load_bundle
from qatflow.release.log import PromotionLog
from qatflow.release.promote import champion

Why = Annotated[str, typer.Option(help="Kept in the promotion log.")]
Replaces = Annotated[
    int | None, typer.Option(help="The champion that this is meant to replace; by default the one of now.")
]
BundleFolder = Annotated[Path | None, typer.Argument(metavar="[BUNDLE]", help="By default the deployed one.")]


def promote(version: int, why: Why = "by hand", replaces: Replaces = None) -> None:
    """Make a registered version the champion and deploy it."""
    from qatflow.adapters import promotions

    root, params = _project()
    registry, log = promotions.open_registry(params, root), promotions.open_log(params, root)
    expected = champion(registry, log) if replaces is None else replaces
    entry = promotions.promote(params, root, version, expected, why)
    typer.echo(
        f" {params.release.name}: version {entry.version} is champion and deployed, in place of {entry.from_version}"
    )


def rollback(why: Why = "by hand") -> None:
    """Bring back the champion before this one, in the registry and on the device."""
    from qatflow.adapters import promotions

    root, params = _project()
    entry = promotions.rollback(params, root, why)
    typer.echo(f" {params.release.name}: back to version {entry.version} from {entry.from_version}; deployed")


def history() -> None:
    """List who made which version champion, when and why; newest first."""
    root, params = _project()
    for entry in reversed(PromotionLog(root, params.release.name).read()):
        change = f"{entry.from_version or '-'} → {entry.version}"
        typer.echo(f" {entry.seq:4} {entry.when}  {entry.action:8} {change:9} {entry.who}  {entry.why}")


def lineage(bundle: BundleFolder = None) -> None:
    """Print the chain behind a bundle: model, registry version, stages, parameters, code, data."""
    root, params = _project()
    loaded = load_bundle(bundle or root / params.deploy.path / "current")
    made = loaded.manifest.lineage
    entries = PromotionLog(root, params.release.name).read()
    versions = sorted({entry.version for entry in entries if entry.model_sha256 == loaded.sha256})
    typer.echo(f" model        {loaded.sha256}  {loaded.manifest.strategy}")
    typer.echo(f" registry     {params.release.name} version {', '.join(map(str, versions)) or 'never promoted'}")
    for stage, digest in sorted(made.stages.items()):
        typer.echo(f"   stage      {digest}  {stage}")
    typer.echo(f" params.yaml  {made.params_sha256}")
    typer.echo(f" git commit   {made.git_commit or 'none'}")
    typer.echo(f" data         {made.data_sha256}  (DVC md5 {made.data_md5 or 'none'})")


def _project() -> tuple[Path, Params]:
    root = find_root()
    return root, params_file.load(root / "params.yaml")
