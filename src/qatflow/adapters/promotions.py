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
from qatflow.errors import ArtifactError, DeployError
from qatflow.params import Params
from qatflow.release import approval
from qatflow.release import promote as promotion
from qatflow.release.bundle import load_bundle
from qatflow.release.log import Entry, PromotionLog


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
    who, gates = promotion.whoami(), {"by": "hand"}
    if params.release.require_approval:
        waiting = {**gates, approval.APPROVED: gates}
        return approval.hold(registry, log, version, expected, who=who, why=why, gates=waiting)
    entry = promotion.promote(registry, log, version, expected, who=who, why=why, gates=gates)
    deploy_champion(params, root, registry, entry.version)
    return entry


def approve(params: Params, root: Path, version: int | None, why: str) -> Entry:
    """Make the version that waits for approval the champion, and deploy it.

    Raises:
        PromotionError: As `qatflow.release.approval.approve`.
        TrackingError: If the registry does not answer.
        DeployError: If the champion cannot be deployed; the promotion stands.
    """
    registry, log = open_registry(params, root), open_log(params, root)
    entry = approval.approve(registry, log, version, who=promotion.whoami(), why=why)
    deploy_champion(params, root, registry, entry.version)
    return entry


def reject(params: Params, root: Path, version: int | None, why: str) -> Entry:
    """Drop the version that waits for approval; what is deployed stays.

    Raises:
        PromotionError: If none or another waits.
        TrackingError: If the registry does not answer.
    """
    registry, log = open_registry(params, root), open_log(params, root)
    return approval.reject(registry, log, version, who=promotion.whoami(), why=why)


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
        entry = promotion.rollback(registry, log, who=promotion.whoami(), why=why)
    deploy_champion(params, root, registry, entry.version)
    return entry


def challenge(params: Params, root: Path, version: int, mode: Mode, share: float) -> None:
    """Let servers that follow this project's deploy root try a registered version beside the champion.

    Raises:
        PromotionError: If there is no such version.
        TrackingError: If the registry does not answer.
        DeployError: If the target is not `local`, the share is none, nothing is deployed, or the version does not run.
    """
    if params.deploy.target != "local":
        raise DeployError(f"A challenger needs the deploy target local, not {params.deploy.target}: servers follow it")
    if not 0 < share <= 1:
        raise DeployError(f"A challenger cannot answer a share of {share:g}; expected more than 0, at most 1")
    path, registry = root / params.deploy.path, open_registry(params, root)
    current(path)
    with tempfile.TemporaryDirectory(prefix="qatflow-challenge-") as folder:
        bundle = registry.download(version, Path(folder) / "bundle")
        set_name(path, load_bundle(bundle).sha256, str(version))
        rollout.challenge(path, bundle, mode, share)


@contextmanager
def _pointed_back(params: Params, root: Path, log: PromotionLog) -> Iterator[None]:
    """Point a local deploy root to the champion before this one, until the block fails."""
    path, former = root / params.deploy.path, promotion.former(log.read())
    if params.deploy.target != "local" or former is None:
        yield
        return
    try:
        present = load_bundle(current(path)).sha256
        point_to(path, former)
    except (DeployError, ArtifactError):  # not deployed here: what follows deploys it
        yield
        return
    try:
        yield
    except BaseException:
        point_to(path, present)
        raise


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
    made = promotion.changes(log.read()[since:])
    if made and made[-1].from_version is not None:
        why = "its deployment failed"
        promotion.rollback(open_registry(params, root), log, who=promotion.whoami(), why=why, withdraw=False)
