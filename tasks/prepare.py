"""Stage `prepare`: read, check, split and shard the data."""

from qatflow.pipeline.stage import StageRun, main, stage


@stage(files=["data.path"], params=["seed", "data", "model.name"])
def prepare(run: StageRun) -> None:
    """Write artifacts/prepare: shards of each split and the data card."""
    from qatflow.data.prepare import prepare_data

    params = run.params
    with run.write("prepare") as out:
        prepare_data(params.data, params.normalization, params.seed, out, run.progress)


if __name__ == "__main__":
    main(prepare)
