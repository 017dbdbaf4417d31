"""`qatflow evaluate` and `qatflow infer`: look at one model, with nothing running and no TensorFlow."""

import csv
import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import typer

from qatflow.artifacts import Array
from qatflow.cli.project import find_root
from qatflow.data.csv_table import read_features
from qatflow.data.prepared import open_prepared
from qatflow.errors import DataError
from qatflow.quiet import hushed
from qatflow.release.bundle import load_bundle
from qatflow.release.manifest import BundleManifest
from qatflow.release.scored import evaluate as score
from qatflow.release.scored import opened

Model = Annotated[Path, typer.Argument(help="A bundle's folder, or a .tflite file.")]
BundleFolder = Annotated[Path, typer.Argument(metavar="BUNDLE", help="A bundle's folder, such as deployed/current.")]
Samples = Annotated[
    Path,
    typer.Argument(
        metavar="INPUT", help="Samples in the data's own units: .npy, an image, or .csv: a table, or rows of numbers."
    ),
]
Data = Annotated[
    str | None, typer.Option(metavar="DATA", help="Measure on all samples of this file or folder; a bundle only.")
]
Label = Annotated[
    str | None, typer.Option(metavar="COLUMN", help="csv: the column to predict, if the bundle takes not all others.")
]
Source = Annotated[str | None, typer.Option(metavar="NAME", help="Kind of data, where it is not told from DATA.")]

Exif = Annotated[
    Literal["turn", "keep"], typer.Option(help="A photo: turned upright as its EXIF says, or as it is stored.")
]


def evaluate(
    model: Model,
    as_json: Annotated[bool, typer.Option("--json", help="All figures as JSON.")] = False,
    device: Annotated[str, typer.Option(help="cpu or gpu; never silently another.")] = "cpu",
    data: Data = None,
    label: Label = None,
    source: Source = None,
) -> None:
    """Measure a flatbuffer on the prepared test split of this project, or a bundle on data of your own."""
    content, own = opened(model), data is not None
    with hushed():
        scored = score(
            content,
            data if own else open_prepared(find_root() / "artifacts" / "prepare"),
            source=source,
            label=label,
            device=device,
        )
    size = len(content if isinstance(content, bytes) else content.model)
    where = (
        f"all {scored.samples} samples of {data}; any that it was trained on flatter it"
        if own
        else f"{scored.samples} test samples, {size} bytes"
    )
    _say(f" {model}: {scored.metric if own else 'score'} {scored.score:.4f} on {where}", scored.metrics, as_json)


def _say(headline: str, metrics: dict[str, Any], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(metrics, indent=1))
        return
    typer.echo(headline)
    for name, value in metrics.items():
        if isinstance(value, float):
            typer.echo(f"   {name:18} {value:.4f}")


def infer(bundle: BundleFolder, samples: Samples, exif: Exif = "turn") -> None:
    """Predict with a bundle: one JSON line for each sample. A picture is read as the data were, in the model's size."""
    loaded = load_bundle(bundle)
    try:
        with hushed():
            answer = loaded.predict(_load(samples, loaded.manifest, turn=exif == "turn"))
    except DataError as error:
        raise DataError(f"{samples}: {error}") from None
    for row in range(len(answer["scores"])):
        typer.echo(json.dumps({name: values[row].tolist() for name, values in answer.items()}))


def _load(path: Path, manifest: BundleManifest, *, turn: bool) -> Array:
    """Read samples; a single one is made a batch of one."""
    loaders: dict[str, Callable[[Path], Array]] = {".npy": _load_npy, ".csv": partial(_load_csv, manifest.features)}
    shape = manifest.input.shape
    try:
        x = loaders.get(path.suffix.lower(), partial(_load_image, shape, turn))(path)
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read as samples (.npy, .csv or an image): {error}") from None
    return x.reshape(1, *shape) if x.size == np.prod(shape) else x


def _load_npy(path: Path) -> Array:
    return np.asarray(np.load(path, allow_pickle=False))


def _load_csv(features: Sequence[str], path: Path) -> Array:
    """Read a table, whose columns are found by their names, or rows of numbers in the order of the model's inputs."""
    if features and set(features) & {name.strip() for name in _first_line(path)}:
        x, unused = read_features(path, features)
        if unused:
            typer.echo(f" not used of {path}: {', '.join(unused)}", err=True)
        return x
    try:
        return np.loadtxt(path, delimiter=",", dtype=np.float32, ndmin=2)
    except ValueError as error:
        expected = f"a header with {', '.join(features[:8])}…" if features else "no header: the bundle knows no columns"
        raise ValueError(f"{error}; expected rows of numbers, or {expected}") from None


def _first_line(path: Path) -> list[str]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return next(csv.reader(file), [])


def _load_image(shape: tuple[int, ...], turn: bool, path: Path) -> Array:
    if len(shape) != 3 or shape[2] not in {1, 3}:
        raise ValueError(f"the model takes samples of shape {shape}, and no pictures")
    from qatflow.data.images import ImageForm, read_image  # Pillow is an extra

    return read_image(path, ImageForm(*shape, resize=True, turn=turn))
