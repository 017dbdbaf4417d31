"""Stage `convert@variant`: make the flatbuffer, and record what the fake-quant model says, to compare the two."""

from qatflow.pipeline.stage import StageRun, main, stage


@stage(
    reads=["prepare", "quantize/{variant}"],
    params=["seed", "quantize.calibration_samples", "convert"],
    variants=True,
)
def convert(run: StageRun) -> None:
    """Write artifacts/convert/<variant>: model.tflite, notes.json, alarm.json; keras_outputs.npy if it was trained."""
    import numpy as np

    from qatflow import backend
    from qatflow.artifacts import write_bytes, write_json
    from qatflow.data.prepared import open_prepared
    from qatflow.evaluation.alarm import ALARM
    from qatflow.quantization.alarm import alarm_of
    from qatflow.quantization.deployed import device_form
    from qatflow.quantization.run import find_strategy, notes_on
    from qatflow.quantization.store import load_quantized

    params = run.params
    strategy = find_strategy(run.variant)
    prepared, kept = run.read("prepare"), run.read("quantize", variant=True)
    data = open_prepared(prepared)
    backend.start(params.seed)
    quantized = load_quantized(kept)
    samples, _ = data.train.arrays(limit=params.quantize.calibration_samples)
    with run.write("convert", prepared, kept) as out:
        run.progress(f"converting {run.variant}", 0, 1)
        flatbuffer = strategy.convert(quantized, samples)
        write_bytes(out / "model.tflite", flatbuffer)
        write_json(out / "notes.json", list(notes_on(run.variant, quantized, flatbuffer)))
        twin = device_form(quantized) if quantized.plan.layers else quantized.model
        alarm = alarm_of(flatbuffer, quantized, twin, data)
        write_json(out / ALARM, None if alarm is None else str(alarm))
        if strategy.trained:
            inputs, _ = data.test.arrays(limit=params.convert.parity_samples)
            outputs = twin.predict(inputs, batch_size=256, verbose=0)
            np.save(out / "keras_outputs.npy", outputs, allow_pickle=False)
        run.progress(f"converting {run.variant}", 1, 1)


if __name__ == "__main__":
    main(convert)
