"""Stage `evaluate@variant`: measure the flatbuffer that would ship, beside the float one. Needs no TensorFlow."""

import numpy as np

from qatflow.data.prepared import open_prepared
from qatflow.evaluation.evaluate import evaluate
from tasks.common import Stage, main


def run(stage: Stage) -> None:
    """Write artifacts/evaluate/<variant>: evaluation.json, timings.json and outputs.npy."""
    prepared, trained = stage.read("prepare"), stage.read("transfer")
    converted = stage.read("convert", variant=True)
    keras_outputs = converted / "keras_outputs.npy"
    with stage.write("evaluate", prepared, trained, converted) as out:
        evaluate(
            (trained / "model.tflite").read_bytes(),
            (converted / "model.tflite").read_bytes(),
            open_prepared(prepared),
            np.load(keras_outputs, allow_pickle=False) if keras_outputs.exists() else None,
            stage.params.evaluate,
            out,
            stage.progress,
        )


if __name__ == "__main__":
    main(run)
