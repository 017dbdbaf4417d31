"""`qatflow promote`, `rollback`, `history` and `lineage`: the registry's commands. They need nothing running."""

from pathlib import Path
from typing import Annotated

import typer

from qatflow import params_file
from qatflow.artifacts import MANIFEST
from qatflow.cli.project import find_root
from qatflow.errors import PromotionError
from qatflow.params.root import Params
from qatflow.release.bundle import load_bundle
from qatflow.release.log import CHANGES, Entry, PromotionLog
from qatflow.release.past import changes
from qatflow.release.promote import pointed_at

Why = Annotated[str, typer.Option(help="Kept in the promotion log.")]
WhyOrNone = Annotated[str | None, typer.Option(help="Kept in the promotion log.")]
Version = Annotated[int | None, typer.Argument(metavar="[VERSION]", help="Of the registered model.")]
Replaces = Annotated[
    int | None, typer.Option(help="The champion that this is meant to replace; by default the one of now.")
]
BundleFolder = Annotated[Path | None, typer.Argument(metavar="[BUNDLE]", help="By default the deployed one.")]


def promote(
    version: Version = None,
    why: WhyOrNone = None,
    replaces: Replaces = None,
    approve: Annotated[bool, typer.Option("--approve", help="The version that waits; needs --why.")] = False,
    reject: Annotated[bool, typer.Option("--reject", help="Drop the version that waits; needs --why.")] = False,
) -> None:
    """Make a registered version the champion and deploy it; or answer for the one that waits for approval."""
    root, params = _project()
    if approve or reject:
        entry = _answer(params, root, version, why, approve=approve, reject=reject)
    else:
        entry = _promote(params, root, version, why, replaces)
    typer.echo(f" {params.release.name}: version {entry.version} {_OUTCOMES[entry.action].format(entry=entry)}")


def _promote(params: Params, root: Path, version: int | None, why: str | None, replaces: int | None) -> Entry:
    from qatflow.adapters import promotions

    if version is None:
        raise PromotionError(
            "Name a version: `qatflow promote VERSION`; or answer the one that waits by --approve or --reject"
        )
    registry, log = promotions.open_registry(params, root), promotions.open_log(params, root)
    expected = pointed_at(registry, log) if replaces is None else replaces
    return promotions.promote(params, root, version, expected, why or "by hand")


def _answer(params: Params, root: Path, version: int | None, why: str | None, *, approve: bool, reject: bool) -> Entry:
    from qatflow.adapters import promotions

    if approve and reject:
        raise PromotionError("--approve and --reject say the opposite of each other; choose one")
    if not why or not why.strip():
        raise PromotionError("Whoever signs says why: add --why '...'; it is kept in the promotion log")
    return (promotions.approve if approve else promotions.reject)(params, root, version, why)


_OUTCOMES = {
    "promote": "is champion and deployed, in place of {entry.from_version}",
    "hold": "waits for `qatflow promote --approve`; the champion stays",
    "reject": "is rejected; the champion stays",
}


def rollback(why: Why = "by hand") -> None:
    """Bring back the champion before this one, in the registry and on the device."""
    from qatflow.adapters import promotions

    root, params = _project()
    entry = promotions.rollback(params, root, why)
    typer.echo(f" {params.release.name}: back to version {entry.version} from {entry.from_version}; deployed")


def history(
    repair: Annotated[
        bool, typer.Option("--repair", help="First make this project's log and the registry's agree again.")
    ] = False,
) -> None:
    """List who made which version champion, when and why; newest first, as far as this project heard."""
    root, params = _project()
    if repair:
        _repair(params, root)
    for entry in reversed(PromotionLog(root, params.release.name).read()):
        change = f"{entry.from_version or '-'} → {entry.version}" if entry.action in CHANGES else f"{entry.version}"
        typer.echo(f" {entry.seq:4} {entry.when}  {entry.action:8} {change:9} {entry.who}  {entry.why}")


def _repair(params: Params, root: Path) -> None:
    from qatflow.adapters import promotions

    entries, aside = promotions.repair(params, root)
    former = "nothing had to be set aside" if aside is None else f"the former log is {aside}"
    typer.echo(f" {params.release.name}: log and registry agree, {entries} entries; {former}")


def lineage(bundle: BundleFolder = None) -> None:
    """Print the chain behind a bundle: model, registry version, stages, parameters, code, data."""
    root, params = _project()
    loaded = load_bundle(bundle or champions_bundle(root, params))
    made = loaded.manifest.lineage
    entries = PromotionLog(root, params.release.name).read()
    versions = sorted({entry.version for entry in changes(entries) if entry.model_sha256 == loaded.sha256})
    typer.echo(f" model        {loaded.sha256}  {loaded.manifest.strategy}")
    typer.echo(f" registry     {params.release.name} version {', '.join(map(str, versions)) or 'never promoted'}")
    for stage, digest in sorted(made.stages.items()):
        typer.echo(f"   stage      {digest}  {stage}")
    typer.echo(f" params.yaml  {made.params_sha256}")
    changed = f", but changed and not committed: {', '.join(made.uncommitted)}" if made.uncommitted else ""
    typer.echo(f" git commit   {made.git_commit or 'none'}{changed}")
    typer.echo(f" data         {made.data_sha256}  (DVC md5 {made.data_md5 or 'none'})")


def champions_bundle(root: Path, params: Params) -> Path:
    """Return the folder of the deployed bundle; where a target makes something else of it, of what was released."""
    deployed = root / params.deploy.path / "current"
    released = root / "artifacts" / "release" / "bundle"
    return released if released.is_dir() and not (deployed / MANIFEST).is_file() else deployed


def _project() -> tuple[Path, Params]:
    root = find_root()
    return root, params_file.load(root / "params.yaml")
