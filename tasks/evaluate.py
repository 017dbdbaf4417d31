"""Stage `evaluate@variant`: measure the flatbuffer that would ship, beside the float one. Needs no TensorFlow."""

from qatflow.pipeline.stage import StageRun, main, stage


@stage(reads=["prepare", "transfer", "convert/{variant}"], params=["evaluate"], variants=True)
def evaluate(run: StageRun) -> None:
    """Write artifacts/evaluate/<variant>: evaluation.json, timings.json and outputs.npy."""
    import numpy as np

    from qatflow.data.prepared import open_prepared
    from qatflow.evaluation.evaluate import evaluate as measure

    prepared, trained = run.read("prepare"), run.read("transfer")
    converted = run.read("convert", variant=True)
    keras_outputs = converted / "keras_outputs.npy"
    with run.write("evaluate", prepared, trained, converted) as out:
        measure(
            (trained / "model.tflite").read_bytes(),
            (converted / "model.tflite").read_bytes(),
            open_prepared(prepared),
            np.load(keras_outputs, allow_pickle=False) if keras_outputs.exists() else None,
            run.params.evaluate,
            out,
            run.progress,
        )


if __name__ == "__main__":
    main(evaluate)
