"""Stage `transfer`: a pretrained backbone with a new head, trained on these data; or the pretrained model passed on."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qatflow.artifacts import digest, sha256_bytes, write_bytes, write_json
from qatflow.data.prepared import PreparedData, open_prepared
from qatflow.evaluation.metrics import judged, measure, score_of
from qatflow.pipeline.group import trains
from qatflow.pipeline.stage import StageRun, main, stage

if TYPE_CHECKING:
    from qatflow.backend import keras

PASSED_ON = ("architecture.json", "weights.npz", "model.tflite")


@stage(
    reads=["prepare", "pretrain"],
    files=["transfer.path"],
    params=["training", "seed", "pretrain.epochs", "transfer", "tracking"],
)
@trains
def transfer(run: StageRun) -> None:
    """Write artifacts/transfer: architecture, weights, history, the float32 flatbuffer and transfer.json."""
    prepared, pretrained = run.read("prepare"), run.read("pretrain")
    with run.write("transfer", prepared, pretrained) as out:
        if run.params.transfer.source == "none":
            for name in PASSED_ON:
                shutil.copyfile(pretrained / name, out / name)
            write_json(out / "history.json", [])
            write_json(out / "transfer.json", {"source": "none"})
        else:
            _transfer(run, open_prepared(prepared), pretrained, out)


def _transfer(run: StageRun, data: PreparedData, pretrained: Path, out: Path) -> None:
    from qatflow import backend  # here, since passing on needs no TensorFlow
    from qatflow.models.backbones import features, with_new_head
    from qatflow.models.store import load_model, save_model
    from qatflow.tflite.convert import convert_float
    from qatflow.training.targets import initialize_units
    from qatflow.training.transfer import fine_tune

    params = run.params
    backend.start(params.seed)
    backbone, origin = _backbone(run, data)
    model = with_new_head(features(backbone, params.transfer.cut), data.input_shape, data.num_outputs, data.task)
    initialize_units(model, data)
    history = fine_tune(model, data, params.transfer, params.seed, run.progress)
    save_model(model, out)
    write_json(out / "history.json", history)
    write_bytes(out / "model.tflite", convert_float(model))
    scratch = _score(load_model(pretrained), data) if params.pretrain.epochs else None
    scores = {"val_score": _score(model, data), "val_score_from_scratch": scratch}
    write_json(out / "transfer.json", {"source": params.transfer.source, **origin, **scores})


def _backbone(run: StageRun, data: PreparedData) -> tuple[keras.Model, dict[str, Any]]:
    """Return the pretrained model, and what identifies it."""
    from qatflow.adapters.mlflow_models import fetch_backbone
    from qatflow.models.backbones import BACKBONES

    wanted, done, facts = run.params.transfer, data.preprocessing, dict[str, str]()
    with tempfile.TemporaryDirectory(prefix="qatflow-transfer-") as folder:
        if wanted.source == "registry":
            wanted, facts = fetch_backbone(wanted, run.params.tracking, run.root, Path(folder))
        model = BACKBONES[wanted.source](wanted, data.input_shape, (done.scale, done.offset))
    weights = digest([sha256_bytes(weight.tobytes()) for weight in model.get_weights()])
    return model, {"backbone": model.name, "weights_sha256": weights, **facts}


def _score(model: keras.Model, data: PreparedData) -> float:
    """Return the float model's score on the validation split."""
    x, y = data.val.arrays()
    values = judged(data.task, x, model.predict(x, batch_size=256, verbose=0))
    return score_of(data.task, measure(data.task, y, values, data.class_names))


if __name__ == "__main__":
    main(transfer)
