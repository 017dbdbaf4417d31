"""Stage `ensemble`: merge the variants that are better together into one flatbuffer. Needs no TensorFlow."""

from qatflow.pipeline.stage import StageRun, main, stage


@stage(reads=["prepare", "transfer", "convert", "evaluate"], params=["quantize.variants", "evaluate", "ensemble"])
def ensemble(run: StageRun) -> None:
    """Write artifacts/ensemble: ensemble.json and, if there is an ensemble, model.tflite and what `evaluate` writes."""
    import numpy as np

    from qatflow.data.prepared import open_prepared
    from qatflow.ensemble.build import Ingredients, build_ensemble

    params = run.params
    prepared, trained = run.read("prepare"), run.read("transfer")
    converted, evaluated = (
        {variant: run.read(f"{name}/{variant}") for variant in params.quantize.variants}
        for name in ("convert", "evaluate")
    )
    given = Ingredients(
        {variant: (folder / "model.tflite").read_bytes() for variant, folder in converted.items()},
        {variant: np.load(folder / "outputs.npy", allow_pickle=False) for variant, folder in evaluated.items()},
        (trained / "model.tflite").read_bytes(),
        open_prepared(prepared),
    )
    with run.write("ensemble", prepared, trained, *converted.values(), *evaluated.values()) as out:
        build_ensemble(params.ensemble, given, params.evaluate, out, run.progress)


if __name__ == "__main__":
    main(ensemble)
