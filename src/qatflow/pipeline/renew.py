"""The steps of a renewal: the champion's labelled records become training data, and do not if the graph fails."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from qatflow import params_file
from qatflow.artifacts import sha256_file
from qatflow.data.prepared import open_prepared
from qatflow.deploy.local import current
from qatflow.holding import held, project_lock
from qatflow.monitoring.export import export_window
from qatflow.monitoring.look import labelled_window
from qatflow.release.bundle import load_bundle

Changed = dict[str, tuple[object, object]]


@contextmanager
def extended_data(root: Path) -> Iterator[str]:
    """Make the data and the champion's labelled records the project's data set; give its SHA-256.

    If the block fails, params.yaml names the former data set again.

    Raises:
        QATFlowError: If there is nothing to learn from.
    """
    changed, data = extend(root)
    try:
        yield data
    except BaseException:
        params_file.edit(root / "params.yaml", {key: before for key, (before, _) in changed.items()})
        raise


@task(name="extend", cache_policy=NO_CACHE)
def extend(root: Path) -> tuple[Changed, str]:
    """Write the extended data set and make it this project's; return what changed in params.yaml, and its SHA-256."""
    params = params_file.load(root / "params.yaml")
    folder = root / params.monitoring.path
    champion = load_bundle(current(root / params.deploy.path))
    rows = labelled_window(folder, champion.sha256, params.monitoring.retrain_rows)
    data, columns = open_prepared(root / "artifacts" / "prepare"), champion.manifest.features
    path, changes = export_window(data, rows, folder / "windows", columns)
    named = changes | {"data.path": path.relative_to(root).as_posix()}
    with held(project_lock(root), "`flows.renew`, which changes params.yaml"):
        return params_file.edit(root / "params.yaml", named), sha256_file(path)
