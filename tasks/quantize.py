"""Stage `quantize@variant`: make the fake-quant model and train it; post-training strategies pass through untrained."""

from qatflow import backend
from qatflow.artifacts import write_json
from qatflow.data.prepared import open_prepared
from qatflow.errors import lookup
from qatflow.models.store import load_model
from qatflow.quantization import STRATEGIES
from qatflow.quantization.store import save_quantized
from qatflow.training.fit import fit
from tasks.common import Stage, main


def run(stage: Stage) -> None:
    """Write artifacts/quantize/<variant>: weights, history and recipe."""
    params, training = stage.params, stage.params.quantize.training
    strategy = lookup("quantization strategy", stage.variant, STRATEGIES)
    prepared, pretrained = stage.read("prepare"), stage.read("pretrain")
    with stage.write("quantize", prepared, pretrained) as out:
        history: list[dict[str, float]] = []
        if strategy.trained:
            backend.start(params.seed)
            data = open_prepared(prepared)
            model = strategy.prepare(load_model(pretrained))
            history = fit(model, data, training, params.seed, f"training {stage.variant}", stage.progress)
            save_quantized(model, out)
        write_json(out / "history.json", history)
        recipe = {"strategy": stage.variant, "trained": strategy.trained, "training": training.model_dump()}
        write_json(out / "recipe.json", recipe)


if __name__ == "__main__":
    main(run)
