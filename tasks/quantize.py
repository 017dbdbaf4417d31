"""Stage `quantize@variant`: plan, calibrate and train; strategies that leave all to the converter pass through."""

from dataclasses import asdict

from qatflow import backend
from qatflow.artifacts import write_json
from qatflow.data.prepared import open_prepared
from qatflow.models.store import load_model
from qatflow.quantization.base import Work
from qatflow.quantization.run import find_strategy, quantized_by
from qatflow.quantization.store import save_quantized
from tasks.common import Stage, main
from tasks.group import trains


@trains
def run(stage: Stage) -> None:
    """Write artifacts/quantize/<variant>: the quantized model, history and recipe."""
    params = stage.params
    strategy = find_strategy(stage.variant)
    prepared, trained = stage.read("prepare"), stage.read("transfer")
    with stage.write("quantize", prepared, trained) as out:
        backend.start(params.seed)
        model = load_model(trained)
        label = f"{'training' if strategy.trained else 'calibrating'} {stage.variant}"
        work = Work(open_prepared(prepared), params.quantize, params.seed, label, stage.progress)
        quantized, history, trace = quantized_by(strategy, model, work)
        save_quantized(quantized, out)
        write_json(out / "history.json", history)
        write_json(out / "trace.json", dict(trace))
        if work.sensitivity:
            write_json(out / "sensitivity.json", [asdict(layer) for layer in work.sensitivity])
        settings = params.quantize.model_dump(exclude={"variants"})
        recipe = {"strategy": stage.variant, "trained": strategy.trained, "widths": dict(quantized.plan.weights)}
        write_json(out / "recipe.json", recipe | settings)


if __name__ == "__main__":
    main(run)
