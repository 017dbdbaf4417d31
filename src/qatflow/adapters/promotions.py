"""Promotion, rollback and their history for a project: registry, log and deployed pointer together."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from qatflow.adapters.mlflow_registry import MlflowRegistry
from qatflow.adapters.mlflow_tracking import MlflowTracker
from qatflow.adapters.targets import deploy
from qatflow.deploy import rollout
from qatflow.deploy.local import current, point_to
from qatflow.deploy.rollout import Mode, set_name
from qatflow.errors import ArtifactError, DeployError, PromotionError
from qatflow.params.root import Params
from qatflow.release import approval
from qatflow.release import promote as promotion
from qatflow.release.bundle import load_bundle
from qatflow.release.log import Entry, PromotionLog, whoami
from qatflow.release.past import changes, former
from qatflow.release.ports import Version
from qatflow.release.shared import repair as repair_log
from qatflow.release.shared import withdrawn_anywhere


def open_registry(params: Params, root: Path) -> MlflowRegistry:
    """Return the registered model of this project.

    Raises:
        TrackingError: If the tracking store cannot be opened.
    """
    return MlflowRegistry(MlflowTracker(params.tracking.uri, params.tracking.experiment, root), params.release.name)


def open_log(params: Params, root: Path) -> PromotionLog:
    """Return the promotion log of this project's model."""
    return PromotionLog(root, params.release.name)


def promote(params: Params, root: Path, version: int, expected: int | None, why: str) -> Entry:
    """Make a registered version the champion by hand, and deploy it; under `require_approval` let it wait instead.

    Raises:
        PromotionError: If the champion is not `expected`, or there is no such version.
        TrackingError: If the registry does not answer.
        DeployError: If the champion cannot be deployed; the promotion stands.
    """
    registry, log = open_registry(params, root), open_log(params, root)
    who, gates = whoami(), {"by": "hand"}
    if params.release.require_approval:
        waiting = {**gates, approval.APPROVED: gates}
        return approval.hold(registry, log, version, expected, who=who, why=why, gates=waiting)
    entry = promotion.promote(registry, log, version, expected, who=who, why=why, gates=gates)
    _deploy_present(params, root, registry, log, entry)
    return entry


def approve(params: Params, root: Path, version: int | None, why: str) -> Entry:
    """Make the version that waits for approval the champion, and deploy it.

    Raises:
        PromotionError: As `qatflow.release.approval.approve`.
        TrackingError: If the registry does not answer.
        DeployError: If the champion cannot be deployed; the promotion stands.
    """
    registry, log = open_registry(params, root), open_log(params, root)
    entry = approval.approve(registry, log, version, who=whoami(), why=why)
    _deploy_present(params, root, registry, log, entry)
    return entry


def reject(params: Params, root: Path, version: int | None, why: str) -> Entry:
    """Drop the version that waits for approval; what is deployed stays.

    Raises:
        PromotionError: If none or another waits.
        TrackingError: If the registry does not answer.
    """
    registry, log = open_registry(params, root), open_log(params, root)
    return approval.reject(registry, log, version, who=whoami(), why=why)


def rollback(params: Params, root: Path, why: str) -> Entry:
    """Bring back the champion that the present one replaced, and deploy it. Needs nothing running.

    A deploy root that knows the former champion points to it at once: opening the registry alone takes seconds. If the
    registry then refuses, the pointer goes back.

    Raises:
        PromotionError: If there is none.
        TrackingError: If the registry does not answer.
        DeployError: If the former champion cannot be deployed; the rollback in the registry stands.
    """
    log = open_log(params, root)
    with _pointed_back(params, root, log):
        registry = open_registry(params, root)
        entry = promotion.rollback(registry, log, who=whoami(), why=why)
    _deploy_present(params, root, registry, log, entry)
    return entry


def repair(params: Params, root: Path) -> tuple[int, Path | None]:
    """Make this project's promotion log and the registry's agree again; see `qatflow.release.shared.repair`.

    Returns:
        The number of entries, and where the former log lies now, if it was set aside.

    Raises:
        TrackingError: If the registry does not answer.
    """
    entries, aside = repair_log(open_registry(params, root), open_log(params, root), whoami())
    return len(entries), aside


def challenge(params: Params, root: Path, version: int, mode: Mode, share: float) -> None:
    """Let servers that follow this project's deploy root try a registered version beside the champion.

    Raises:
        PromotionError: If there is no such version, or its model was withdrawn and would answer requests.
        TrackingError: If the registry does not answer.
        DeployError: If the target is not `local`, the share is none, nothing is deployed, or the version does not run.
    """
    if params.deploy.target != "local":
        raise DeployError(f"A challenger needs the deploy target local, not {params.deploy.target}: servers follow it")
    if not 0 < share <= 1:
        raise DeployError(f"A challenger cannot answer a share of {share:g}; expected more than 0, at most 1")
    path, registry = root / params.deploy.path, open_registry(params, root)
    current(path)
    if mode == "canary":
        refuse_withdrawn(registry, registry.version(version))
    with tempfile.TemporaryDirectory(prefix="qatflow-challenge-") as folder:
        bundle = registry.download(version, Path(folder) / "bundle")
        set_name(path, load_bundle(bundle).sha256, str(version))
        rollout.challenge(path, bundle, mode, share)


@contextmanager
def _pointed_back(params: Params, root: Path, log: PromotionLog) -> Iterator[None]:
    """Point a local deploy root to the champion before this one, until the block fails."""
    path, back = root / params.deploy.path, former(log.read())
    if params.deploy.target != "local" or back is None:
        yield
        return
    try:
        present = load_bundle(current(path)).sha256
        point_to(path, back)
    except (DeployError, ArtifactError):  # not deployed here: what follows deploys it
        yield
        return
    try:
        yield
    except BaseException:
        point_to(path, present)
        raise


def refuse_withdrawn(registry: MlflowRegistry, version: Version) -> None:
    """Raise if the registry's promotion log says that a version's model was withdrawn.

    Raises:
        PromotionError: If it was.
        TrackingError: If the registry does not answer.
    """
    reason = withdrawn_anywhere(registry).get(version.sha256)
    if reason is not None:
        raise PromotionError(f"Version {version.number} of {registry.name} was withdrawn: {reason}")


def _deploy_present(params: Params, root: Path, registry: MlflowRegistry, log: PromotionLog, entry: Entry) -> None:
    """Deploy what an entry made champion.

    Raises:
        PromotionError: If another clone changed the champion meanwhile; that one is deployed then.
    """
    deploy_champion(params, root, registry, entry.version)
    present = promotion.champion(registry, log)
    if present not in {None, entry.version}:
        deploy_champion(params, root, registry, present)
        raise PromotionError(
            f"Version {entry.version} of {registry.name} became champion, but version {present} took its place while "
            f"it was deployed; version {present} is deployed. `qatflow history` shows who made it champion"
        )


def deploy_champion(params: Params, root: Path, registry: MlflowRegistry, version: int) -> None:
    """Deploy a registered version. One that was deployed before is only pointed to, byte for byte as it was."""
    with tempfile.TemporaryDirectory(prefix="qatflow-deploy-") as folder:
        bundle = registry.download(version, Path(folder) / "bundle")
        deploy(bundle, params, root, version)


def last_seq(params: Params, root: Path) -> int:
    """Return the number of entries in the promotion log."""
    return len(open_log(params, root).read())


def take_back(params: Params, root: Path, since: int) -> None:
    """Undo the promotion that followed entry `since`, if there was one, because its deployment failed.

    The receipt goes too, so that the next run releases again.
    """
    log = open_log(params, root)
    shutil.rmtree(root / "artifacts" / "release", ignore_errors=True)
    made = changes(log.read()[since:])
    if made and made[-1].from_version is not None and made[-1].who == whoami():  # not another clone's
        why = "its deployment failed"
        promotion.rollback(open_registry(params, root), log, who=whoami(), why=why, withdraw=False)
