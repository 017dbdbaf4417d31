"""Stage `explain`: whether the flatbuffers decide for the same reasons. Only the gradients need TensorFlow."""

from typing import TYPE_CHECKING

from qatflow.pipeline.stage import StageRun, main, stage

if TYPE_CHECKING:
    from qatflow.explanation.explain import Gradient


@stage(reads=["prepare", "transfer", "convert", "ensemble"], params=["seed", "quantize.variants", "explain"])
def explain(run: StageRun) -> None:
    """Write artifacts/explain: explanation.json, and explanations.npz unless it is switched off."""
    from qatflow.data.prepared import open_prepared
    from qatflow.explanation.explain import Ingredients, explain_variants

    params = run.params
    prepared, trained, combined = (run.read(name) for name in ("prepare", "transfer", "ensemble"))
    converted = {variant: run.read(f"convert/{variant}") for variant in params.quantize.variants}
    models = {name: (folder / "model.tflite").read_bytes() for name, folder in converted.items()}
    if (combined / "model.tflite").exists():
        models["ensemble"] = (combined / "model.tflite").read_bytes()
    data = open_prepared(prepared)
    gradient = _gradient(run, data.task) if params.explain.gradient and params.explain.samples else None
    given = Ingredients(models, (trained / "model.tflite").read_bytes(), data, gradient)
    with run.write("explain", prepared, trained, combined, *converted.values()) as out:
        explain_variants(params.explain, given, params.seed, out, run.progress)


def _gradient(run: StageRun, task: str) -> "Gradient":
    """Return the gradients of the float Keras model."""
    from qatflow.backend import start
    from qatflow.explanation.gradient import Gradients
    from qatflow.models.store import load_model

    start(run.params.seed)
    return Gradients(load_model(run.folder("transfer")), task)


if __name__ == "__main__":
    main(explain)
