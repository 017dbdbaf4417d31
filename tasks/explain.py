"""Stage `explain`: whether the flatbuffers decide for the same reasons. Only the gradients need TensorFlow."""

from qatflow.data.prepared import open_prepared
from qatflow.explanation.explain import Gradient, Ingredients, explain_variants
from tasks.common import Stage, main


def run(stage: Stage) -> None:
    """Write artifacts/explain: explanation.json, and explanations.npz unless it is switched off."""
    params = stage.params
    prepared, trained, combined = (stage.read(name) for name in ("prepare", "transfer", "ensemble"))
    converted = {variant: stage.read(f"convert/{variant}") for variant in params.quantize.variants}
    models = {name: (folder / "model.tflite").read_bytes() for name, folder in converted.items()}
    if (combined / "model.tflite").exists():
        models["ensemble"] = (combined / "model.tflite").read_bytes()
    data = open_prepared(prepared)
    gradient = _gradient(stage, data.task) if params.explain.gradient and params.explain.samples else None
    given = Ingredients(models, (trained / "model.tflite").read_bytes(), data, gradient)
    with stage.write("explain", prepared, trained, combined, *converted.values()) as out:
        explain_variants(params.explain, given, params.seed, out, stage.progress)


def _gradient(stage: Stage, task: str) -> Gradient:
    """Return the gradients of the float Keras model."""
    from qatflow.backend import start
    from qatflow.explanation.gradient import Gradients
    from qatflow.models.store import load_model

    start(stage.params.seed)
    return Gradients(load_model(stage.folder("transfer")), task)


if __name__ == "__main__":
    main(run)
