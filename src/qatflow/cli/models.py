"""`qatflow evaluate` and `qatflow infer`: look at one model, with nothing running and no TensorFlow."""

import json
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from qatflow.artifacts import Array
from qatflow.cli.project import find_root
from qatflow.cli.screen import hushed
from qatflow.data.prepared import PreparedData, open_prepared
from qatflow.errors import DataError
from qatflow.evaluation.metrics import judged, measure, score_of
from qatflow.release.bundle import infer as run_bundle
from qatflow.release.bundle import load_bundle
from qatflow.tflite.runtime import Runner

BATCH_SIZE = 256
Model = Annotated[Path, typer.Argument(help="A bundle's folder, or a .tflite file.")]
BundleFolder = Annotated[Path, typer.Argument(metavar="BUNDLE", help="A bundle's folder, such as deployed/current.")]
Samples = Annotated[
    Path, typer.Argument(metavar="INPUT", help="Samples in the data's own units: .npy, .csv or an image.")
]


def evaluate(
    model: Model,
    as_json: Annotated[bool, typer.Option("--json", help="All figures as JSON.")] = False,
    device: Annotated[str, typer.Option(help="cpu or gpu; never silently another.")] = "cpu",
) -> None:
    """Measure a flatbuffer on the prepared test split of this project."""
    content = load_bundle(model).model if model.is_dir() else _read(model)
    data = open_prepared(find_root() / "artifacts" / "prepare")
    with hushed():
        metrics = _measure(Runner(content, device=device), data)
    if as_json:
        typer.echo(json.dumps(metrics, indent=1))
        return
    typer.echo(
        f" {model}: score {score_of(data.task, metrics):.4f} on {data.test.count} test samples, {len(content)} bytes"
    )
    for name, value in metrics.items():
        if isinstance(value, float):
            typer.echo(f"   {name:18} {value:.4f}")


def infer(bundle: BundleFolder, samples: Samples) -> None:
    """Predict with a bundle: one JSON line for each sample."""
    loaded = load_bundle(bundle)
    try:
        with hushed():
            answer = run_bundle(loaded, _load(samples, loaded.manifest.input.shape))
    except DataError as error:
        raise DataError(f"{samples}: {error}") from None
    for row in range(len(answer["scores"])):
        typer.echo(json.dumps({name: values[row].tolist() for name, values in answer.items()}))


def _measure(runner: Runner, data: PreparedData) -> dict[str, Any]:
    parts = [(y, judged(data.task, x, runner.predict(x))) for x, y in data.test.batches(BATCH_SIZE)]
    y, values = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    return measure(data.task, y, values, data.class_names)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"Cannot read {path}: {error.strerror}") from None


def _load(path: Path, shape: tuple[int, ...]) -> Array:
    """Read samples; a single one is made a batch of one."""
    loaders = {".npy": _load_npy, ".csv": _load_csv}
    try:
        x = loaders.get(path.suffix.lower(), _load_image)(path)
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read as samples (.npy, .csv or an image): {error}") from None
    return x.reshape(1, *shape) if x.size == np.prod(shape) else x


def _load_npy(path: Path) -> Array:
    return np.asarray(np.load(path, allow_pickle=False))


def _load_csv(path: Path) -> Array:
    return np.loadtxt(path, delimiter=",", dtype=np.float32, ndmin=2)


def _load_image(path: Path) -> Array:
    from PIL import Image

    with Image.open(path) as image:
        return np.atleast_3d(np.asarray(image))
