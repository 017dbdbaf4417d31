"""Stage `convert@variant`: make the flatbuffer, and record what the fake-quant model says, to compare the two."""

import numpy as np

from qatflow import backend
from qatflow.artifacts import write_bytes, write_json
from qatflow.data.prepared import open_prepared
from qatflow.evaluation.alarm import ALARM
from qatflow.quantization.alarm import alarm_of
from qatflow.quantization.deployed import device_form
from qatflow.quantization.run import find_strategy, notes_on
from qatflow.quantization.store import load_quantized
from tasks.common import Stage, main


def run(stage: Stage) -> None:
    """Write artifacts/convert/<variant>: model.tflite, notes.json, alarm.json; keras_outputs.npy if it was trained."""
    params = stage.params
    strategy = find_strategy(stage.variant)
    prepared, kept = stage.read("prepare"), stage.read("quantize", variant=True)
    data = open_prepared(prepared)
    backend.start(params.seed)
    quantized = load_quantized(kept)
    samples, _ = data.train.arrays(limit=params.quantize.calibration_samples)
    with stage.write("convert", prepared, kept) as out:
        stage.progress(f"converting {stage.variant}", 0, 1)
        flatbuffer = strategy.convert(quantized, samples)
        write_bytes(out / "model.tflite", flatbuffer)
        write_json(out / "notes.json", list(notes_on(stage.variant, quantized, flatbuffer)))
        twin = device_form(quantized) if quantized.plan.layers else quantized.model
        alarm = alarm_of(flatbuffer, quantized, twin, data)
        write_json(out / ALARM, None if alarm is None else str(alarm))
        if strategy.trained:
            inputs, _ = data.test.arrays(limit=params.convert.parity_samples)
            outputs = twin.predict(inputs, batch_size=256, verbose=0)
            np.save(out / "keras_outputs.npy", outputs, allow_pickle=False)
        stage.progress(f"converting {stage.variant}", 1, 1)


if __name__ == "__main__":
    main(run)
