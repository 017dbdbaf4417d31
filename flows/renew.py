"""Trains the champion anew on what was recorded since, tries the winner beside it, promotes or drops it.

`python -m flows.renew [REASON]`; `flows.schedules` serves it on the event of `flows.monitor`.
"""

import sys

from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from flows.canary import canary
from flows.once import run_once
from flows.retrain import retrain
from flows.session import ROOT
from qatflow import params_file
from qatflow.artifacts import sha256_file
from qatflow.data.prepared import open_prepared
from qatflow.deploy.local import current
from qatflow.holding import held, project_lock
from qatflow.monitoring.export import export_window
from qatflow.monitoring.look import labelled_window
from qatflow.release.bundle import load_bundle


@flow(name="renew")
def renew(reason: str = "by hand") -> str:
    """Add the champion's labelled records to the data, run the graph, and try what it makes; return how it ended.

    The parameters name the new data set from here on. If the graph fails, they name the former one again.

    Raises:
        QATFlowError: If there is nothing to learn from, a stage fails, or the registry does not answer.
    """
    changed, data = extend()
    told = f"{reason}; data {data[:12]}"
    try:
        retrain(told)
    except BaseException:
        params_file.edit(ROOT / "params.yaml", {key: before for key, (before, _) in changed.items()})
        raise
    if not params_file.load(ROOT / "params.yaml").release.canary:
        return "done; no canary asked for (release.canary)"
    return str(canary(told))


@task(name="extend", cache_policy=NO_CACHE)
def extend() -> tuple[dict[str, tuple[object, object]], str]:
    """Write the extended data set and make it this project's; return what changed in params.yaml, and its SHA-256."""
    params = params_file.load(ROOT / "params.yaml")
    folder = ROOT / params.monitoring.path
    champion = load_bundle(current(ROOT / params.deploy.path))
    rows = labelled_window(folder, champion.sha256, params.monitoring.retrain_rows)
    data, columns = open_prepared(ROOT / "artifacts" / "prepare"), champion.manifest.features
    path, changes = export_window(data, rows, folder / "windows", columns)
    named = changes | {"data.path": path.relative_to(ROOT).as_posix()}
    with held(project_lock(ROOT), "`flows.renew`, which changes params.yaml"):
        return params_file.edit(ROOT / "params.yaml", named), sha256_file(path)


if __name__ == "__main__":
    run_once(renew, *sys.argv[1:2])
