"""Stage `convert@variant`: make the flatbuffer, and record what the fake-quant model says, to compare the two."""

import numpy as np

from qatflow import backend
from qatflow.artifacts import write_bytes
from qatflow.data.prepared import open_prepared
from qatflow.errors import lookup
from qatflow.models.store import load_model
from qatflow.quantization import STRATEGIES
from qatflow.quantization.store import load_quantized
from tasks.common import Stage, main


def run(stage: Stage) -> None:
    """Write artifacts/convert/<variant>: model.tflite, and keras_outputs.npy for trained strategies."""
    params = stage.params
    strategy = lookup("quantization strategy", stage.variant, STRATEGIES)
    prepared, pretrained = stage.read("prepare"), stage.read("pretrain")
    quantized = stage.read("quantize", variant=True)
    data = open_prepared(prepared)
    backend.start(params.seed)
    model = load_model(pretrained)
    if strategy.trained:
        model = load_quantized(strategy, model, quantized)
    samples, _ = data.train.arrays(limit=params.quantize.calibration_samples)
    with stage.write("convert", prepared, pretrained, quantized) as out:
        stage.progress(f"converting {stage.variant}", 0, 1)
        write_bytes(out / "model.tflite", strategy.convert(model, samples))
        if strategy.trained:
            inputs, _ = data.test.arrays(limit=params.convert.parity_samples)
            np.save(out / "keras_outputs.npy", model.predict(inputs, batch_size=256, verbose=0), allow_pickle=False)
        stage.progress(f"converting {stage.variant}", 1, 1)


if __name__ == "__main__":
    main(run)
