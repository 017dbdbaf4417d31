"""Stage `ensemble`: merge the variants that are better together into one flatbuffer. Needs no TensorFlow."""

import numpy as np

from qatflow.data.prepared import open_prepared
from qatflow.ensemble.build import Ingredients, build_ensemble
from tasks.common import Stage, main


def run(stage: Stage) -> None:
    """Write artifacts/ensemble: ensemble.json and, if there is an ensemble, model.tflite and what `evaluate` writes."""
    params = stage.params
    prepared, trained = stage.read("prepare"), stage.read("transfer")
    converted, evaluated = (
        {variant: stage.read(f"{name}/{variant}") for variant in params.quantize.variants}
        for name in ("convert", "evaluate")
    )
    given = Ingredients(
        {variant: (folder / "model.tflite").read_bytes() for variant, folder in converted.items()},
        {variant: np.load(folder / "outputs.npy", allow_pickle=False) for variant, folder in evaluated.items()},
        (trained / "model.tflite").read_bytes(),
        open_prepared(prepared),
    )
    with stage.write("ensemble", prepared, trained, *converted.values(), *evaluated.values()) as out:
        build_ensemble(params.ensemble, given, params.evaluate, out, stage.progress)


if __name__ == "__main__":
    main(run)
