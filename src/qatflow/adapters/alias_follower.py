"""Mirrors an alias of MLflow's registry into a deploy root, in a process of its own: a server follows the root.

`python -m qatflow.adapters.alias_follower ROOT URI EXPERIMENT_ROOT NAME ALIAS POLL_S` runs until its stdin closes, so
that it never outlives the server that started it. MLflow's 200 MiB and its pauses stay out of the server.
"""

from __future__ import annotations

import logging
import re
import select
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from qatflow.adapters.mlflow_registry import MlflowRegistry
from qatflow.adapters.mlflow_tracking import MlflowTracker
from qatflow.adapters.promotions import refuse_withdrawn
from qatflow.deploy.local import current, deploy_local
from qatflow.deploy.rollout import set_name
from qatflow.errors import PromotionError, QATFlowError
from qatflow.params.root import Params
from qatflow.release.bundle import load_bundle
from qatflow.serving.logs import log_to_stderr

LEAST_POLL_S = 0.25
log = logging.getLogger(__name__)
ADDRESS = re.compile(r"models:/(?P<name>[A-Za-z0-9][A-Za-z0-9._-]{0,99})@(?P<alias>[A-Za-z0-9][A-Za-z0-9._-]{0,99})")


def parse_address(address: str) -> tuple[str, str]:
    """Return name and alias of `models:/NAME@ALIAS`.

    Raises:
        PromotionError: If it is no such address.
    """
    found = ADDRESS.fullmatch(address)
    if found is None:
        raise PromotionError(f"{address} is no address of a model; expected models:/NAME@ALIAS")
    return found["name"], found["alias"]


def mirror(registry: MlflowRegistry, alias: str, root: Path) -> int:
    """Make the deploy root hold what the alias points at, and return the version's number.

    Raises:
        PromotionError: If the alias is missing, or what it points at is gone or was withdrawn.
        ArtifactError: If the files are not those that were registered.
        DeployError: If they do not run here; what was deployed stays.
        TrackingError: If the registry does not answer.
    """
    number = registry.aliases().get(alias)
    if number is None:
        raise PromotionError(f"{registry.name} has no alias {alias}")
    version = registry.version(number)
    is_new = _deployed(root) != version.sha256
    if is_new:
        refuse_withdrawn(registry, version)
    set_name(root, version.sha256, str(number))
    if is_new:
        with tempfile.TemporaryDirectory(prefix="qatflow-mirror-") as folder:
            deploy_local(registry.download(number, Path(folder) / "bundle"), root)
    return number


def mirrored(params: Params, root: Path, address: str) -> Path:
    """Return a project's deploy root for `models:/NAME@ALIAS`, which holds what the alias points at now.

    Raises:
        PromotionError: If the address is malformed; else see `mirror`.
    """
    name, alias = parse_address(address)
    place = root / ".qatflow" / "served" / f"{name}@{alias}"
    mirror(MlflowRegistry(MlflowTracker(params.tracking.uri, params.tracking.experiment, root), name), alias, place)
    return place


@contextmanager
def follower(params: Params, root: Path, address: str, place: Path) -> Iterator[None]:
    """Keep what `mirrored` returned up to date beside the block."""
    name, alias = parse_address(address)
    poll_s = max(params.serving.poll_s, LEAST_POLL_S)
    arguments = [str(place), params.tracking.uri, str(root), name, alias, str(poll_s)]
    process = subprocess.Popen([sys.executable, "-m", __name__, *arguments], stdin=subprocess.PIPE)
    try:
        yield
    finally:
        assert process.stdin is not None  # noqa: S101 (it is a pipe)
        process.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            process.wait(5)
        process.kill()
        process.wait()


def _deployed(root: Path) -> str | None:
    try:
        return load_bundle(current(root)).sha256
    except QATFlowError:
        return None


def main() -> None:
    """Mirror until stdin closes. What goes wrong is logged once, and tried again."""
    root, uri, home, name, alias, poll_s = sys.argv[1:]
    log_to_stderr()
    registry = MlflowRegistry(MlflowTracker(uri, "qatflow", Path(home)), name)
    said = ""
    while not select.select([sys.stdin], [], [], float(poll_s))[0]:
        try:
            mirror(registry, alias, Path(root))
            said = ""
        except (QATFlowError, OSError) as error:
            if str(error) != said:
                log.warning("%s@%s cannot be followed: %s", name, alias, error)
            said = str(error)


if __name__ == "__main__":
    main()
