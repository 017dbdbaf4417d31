"""A project that online learning can begin with: a small model of the digits, on its grids and deployed."""

import shutil
from pathlib import Path

from qatflow.params import EvaluateParams, OnlineParams, Params, QuantizeParams

STRATEGY = "qat_w8a8_per_channel"
SETTINGS = OnlineParams(
    checkpoint_every=96, candidate_every=256, window=96, replay=16, reservoir=60, label_window=40, max_holdout_drop=1.0
)
PARAMS = Params(quantize=QuantizeParams(variants=[STRATEGY]), evaluate=EvaluateParams(latency_runs=1), online=SETTINGS)


def make_project(root: Path) -> Path:
    """Write prepared data, the float model, the quantized one and a deployed bundle into `root`."""
    from qatflow import artifacts, backend
    from qatflow.backend import keras
    from qatflow.deploy.local import deploy_local
    from qatflow.models.store import save_model
    from qatflow.quantization.base import Work
    from qatflow.quantization.run import find_strategy
    from qatflow.quantization.store import save_quantized
    from qatflow.release.bundle import build_bundle
    from qatflow.tflite.convert import convert_float
    from tests.unit.release import fabricate

    data = fabricate.digits()
    (root / "artifacts").mkdir()
    shutil.copytree(Path(fabricate._folder.name) / "prepare", root / "artifacts" / "prepare")
    backend.start(1)
    layers = keras.layers
    model = keras.Sequential(
        [
            layers.Input((8, 8, 1), name="input"),
            layers.Flatten(),
            layers.Dense(32, activation="relu"),
            layers.Dropout(0.1),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model = keras.Model(model.inputs, model.outputs)
    model.compile("adam", "sparse_categorical_crossentropy")
    x, y = data.train.arrays()
    model.fit(x, y, epochs=25, batch_size=32, verbose=0)
    with artifacts.stage_output(root / "artifacts" / "transfer", "transfer") as out:
        save_model(model, out)
        (out / "model.tflite").write_bytes(convert_float(model))
    strategy, work = find_strategy(STRATEGY), Work(data, PARAMS.quantize, 1)
    quantized = strategy.prepare(model, work)
    with artifacts.stage_output(root / "artifacts" / "quantize" / STRATEGY, "quantize") as out:
        save_quantized(quantized, out)
    flatbuffer = strategy.convert(quantized, work.calibration())
    candidate = fabricate.candidate(STRATEGY, flatbuffer, trained=True)
    deploy_local(build_bundle(root / "bundle", candidate, data, fabricate.lineage()), root / "deployed")
    return root
