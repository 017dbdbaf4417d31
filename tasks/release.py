"""Stage `release`: judge the candidates; register and promote the winner. Its output is a receipt and the bundle."""

import os
from dataclasses import asdict

from qatflow.pipeline.stage import StageRun, main, stage


@stage(
    reads=["prepare", "convert", "evaluate", "ensemble", "explain"],
    params=["quantize.variants", "release", "tracking"],
    cached=False,  # it changes the registry, so it is never restored from a cache: it runs, and repeats nothing
)
def release(run: StageRun) -> None:
    """Write artifacts/release: receipt.json, nights.json and, once something was promoted, bundle/ of the champion."""
    from qatflow.adapters.dvc_lock import data_md5
    from qatflow.adapters.mlflow_registry import MlflowRegistry
    from qatflow.adapters.mlflow_stages import release_run
    from qatflow.artifacts import write_json
    from qatflow.release.candidates import read_inputs
    from qatflow.release.log import PromotionLog
    from qatflow.release.nights import NIGHTS, night_of, remember
    from qatflow.release.release import Desk, release_candidates

    root, params = run.root, run.params
    inputs = read_inputs(root, params, data_md5(root, params.data.path))
    with release_run(root, params) as (tracker, parent), run.write("release", run.read("prepare")) as out:
        registry = MlflowRegistry(tracker, params.release.name, parent)
        why = os.environ.get("QATFLOW_REASON", "dvc repro")
        desk = Desk(params.release, registry, PromotionLog(root, registry.name), why)
        receipt = release_candidates(desk, inputs, out)
        nights = remember(root, registry.name, night_of(receipt, inputs))
        write_json(out / NIGHTS, [asdict(night) for night in nights])


if __name__ == "__main__":
    main(release)
