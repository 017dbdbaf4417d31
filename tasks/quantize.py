"""Stage `quantize@variant`: plan, calibrate and train; strategies that leave all to the converter pass through."""

from dataclasses import asdict

from qatflow.pipeline.group import trains
from qatflow.pipeline.stage import StageRun, main, stage


@stage(
    reads=["prepare", "transfer"],
    params=[
        "seed",
        "training",
        "quantize.calibration",
        "quantize.calibration_samples",
        "quantize.compression",
        "quantize.corrections",
        "quantize.dense",
        "quantize.layers",
        "quantize.mixed",
        "quantize.training",
    ],
    variants=True,
)
@trains
def quantize(run: StageRun) -> None:
    """Write artifacts/quantize/<variant>: the quantized model, history and recipe."""
    from qatflow import backend
    from qatflow.artifacts import write_json
    from qatflow.data.prepared import open_prepared
    from qatflow.models.store import load_model
    from qatflow.quantization.base import Work
    from qatflow.quantization.run import find_strategy, quantized_by
    from qatflow.quantization.store import save_quantized

    params = run.params
    strategy = find_strategy(run.variant)
    prepared, trained = run.read("prepare"), run.read("transfer")
    with run.write("quantize", prepared, trained) as out:
        backend.start(params.seed)
        model = load_model(trained)
        label = f"{'training' if strategy.trained else 'calibrating'} {run.variant}"
        work = Work(open_prepared(prepared), params.quantize, params.seed, label, run.progress)
        quantized, history, trace = quantized_by(strategy, model, work)
        save_quantized(quantized, out)
        write_json(out / "history.json", history)
        write_json(out / "trace.json", dict(trace))
        if work.sensitivity:
            write_json(out / "sensitivity.json", [asdict(layer) for layer in work.sensitivity])
        settings = params.quantize.model_dump(exclude={"variants"})
        recipe = {"strategy": run.variant, "trained": strategy.trained, "widths": dict(quantized.plan.weights)}
        write_json(out / "recipe.json", recipe | settings)


if __name__ == "__main__":
    main(quantize)
