"""Stage `pretrain`: train the float model, or take the user's, and convert it unquantized as the baseline."""

from qatflow.pipeline.group import trains
from qatflow.pipeline.stage import StageRun, main, stage


@stage(reads=["prepare"], files=["model.path"], params=["training", "seed", "model", "pretrain"])
@trains
def pretrain(run: StageRun) -> None:
    """Write artifacts/pretrain: architecture, weights, history and the float32 flatbuffer."""
    from qatflow import backend
    from qatflow.artifacts import write_bytes, write_json
    from qatflow.data.prepared import open_prepared
    from qatflow.models import build
    from qatflow.models.store import save_model
    from qatflow.tflite.convert import convert_float
    from qatflow.training.fit import fit
    from qatflow.training.targets import initialize_units

    params = run.params
    prepared = run.read("prepare")
    data = open_prepared(prepared)
    backend.start(params.seed)
    model = build(params.model, data.input_shape, data.num_outputs, data.task)
    if params.model.name != "file":
        initialize_units(model, data)
    with run.write("pretrain", prepared) as out:
        history = []
        if params.pretrain.epochs:
            history = fit(model, data, params.pretrain, params.seed, "training the float model", run.progress)
        save_model(model, out)
        write_json(out / "history.json", history)
        write_bytes(out / "model.tflite", convert_float(model))


if __name__ == "__main__":
    main(pretrain)
