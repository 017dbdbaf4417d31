"""Stage `prepare`: read, check, split and shard the data."""

from qatflow.data.prepare import prepare_data
from tasks.common import Stage, main


def run(stage: Stage) -> None:
    """Write artifacts/prepare: shards of each split and the data card."""
    params = stage.params
    with stage.write("prepare") as out:
        prepare_data(params.data, params.normalization, params.seed, out, stage.progress)


if __name__ == "__main__":
    main(run)
