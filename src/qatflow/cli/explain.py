"""`qatflow explain`: why a bundle answers as it does, in words, numbers and pictures, without TensorFlow."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from qatflow import artifacts
from qatflow.cli.ensemble import Label, MaxSamples, Seed, Source
from qatflow.cli.files import check_inputs
from qatflow.cli.models import BundleFolder
from qatflow.cli.project import find_root
from qatflow.data.prepared import PreparedData
from qatflow.errors import DataError, QATFlowError
from qatflow.explanation.game import answer_of
from qatflow.explanation.single import Single, explain_sample, say
from qatflow.explanation.subject import open_field
from qatflow.params.explain import ExplainParams
from qatflow.quiet import hushed
from qatflow.release.bundle import Bundle, load_bundle
from qatflow.release.own_data import OwnData, open_for, prepare_for
from qatflow.screen import Screen
from qatflow.search.recognise import KNOWN

Data = Annotated[
    str | None,
    typer.Option(help="digits, an .npz, a .csv, a folder of images or of idx files; default: this project's data."),
]
Index = Annotated[list[int], typer.Option(help="Position in the test split, from 0; several times for several.")]
Out = Annotated[Path | None, typer.Option(help="Folder for a PNG and a JSON file of each sample.")]
Players = Annotated[int, typer.Option(min=1, max=4096, help="Most patches of an image or windows of a series.")]
Evaluations = Annotated[int, typer.Option(min=4, max=4096, help="Of the model, for each player.")]
Fill = Annotated[
    Literal["auto", "mean", "blur", "samples"],
    typer.Option(help="What absent parts show: mean or samples of the training split, or a blur of the image."),
]


def explain(  # noqa: PLR0913, PLR0917 (a command's options)
    bundle: BundleFolder,
    index: Index,
    data: Data = None,
    out: Out = None,
    players: Players = 64,
    evaluations: Evaluations = 64,
    fill: Fill = "auto",
    source: Source = None,
    label: Label = "label",
    max_samples: MaxSamples = None,
    seed: Seed = 42,
) -> None:
    """Explain single predictions of a bundle: which parts of the input speak for the answer, and which against it.

    DATA are in the bundle's units and are split as `qatflow quantize` splits them; INDEX counts in the test split.
    """
    screen = Screen(Console(highlight=False))
    _check_writable(out)
    if data is not None:
        check_inputs(data, source)
    title = f"explanation of {len(index)} prediction{'s' * (len(index) > 1)}"
    with screen.stage(title) as line, hushed(), tempfile.TemporaryDirectory(prefix="qatflow-") as folder:
        own = None if data is None else OwnData(data, source, label, max_samples, seed, line.progress)
        wanted = ExplainParams(players=players, evaluations=evaluations, fill=fill)
        loaded = load_bundle(bundle)
        prepared = _prepared(loaded, own, Path(folder) / "prepare")
        field, answer = open_field(prepared, wanted), answer_of(loaded.model, prepared.task)
        singles = [explain_sample(answer, prepared, field, position, evaluations, seed) for position in index]
        files = _write(singles, loaded.sha256, out) if out else []
    for single in singles:
        screen.say()
        for number, sentence in enumerate(say(single.record)):
            screen.say(f" {sentence}", "" if number else "bold")
    for file in files:
        screen.say(f" wrote  {file}")


def _prepared(bundle: Bundle, own: OwnData | None, folder: Path) -> PreparedData:
    """Split the user's data into `folder`, or open those of the project around.

    Raises:
        DataError: If there are neither, or they do not fit the bundle.
    """
    if own is not None:
        return prepare_for(bundle.manifest, own, folder)
    try:
        root = find_root()
    except QATFlowError:
        raise DataError(f"A bundle holds no data: name them with --data, or be in a project. {KNOWN}") from None
    return open_for(bundle.manifest, root / "artifacts" / "prepare", "this project")


def _write(singles: Sequence[Single], sha256: str, out: Path) -> list[Path]:
    """Write sample-N.json and sample-N.png of each prediction.

    Raises:
        QATFlowError: If the disk is full, or the folder went away.
    """
    from qatflow.explanation.picture import draw

    written = []
    try:
        for single in singles:
            file = out / f"sample-{single.record['sample']}"
            artifacts.write_json(file.with_suffix(".json"), {**single.record, "model_sha256": sha256})
            artifacts.write_bytes(file.with_suffix(".png"), draw(single))
            written += [file.with_suffix(".png"), file.with_suffix(".json")]
    except OSError as error:
        raise QATFlowError(f"Cannot write to {out}: {error.strerror}. Name another folder with --out") from None
    return written


def _check_writable(out: Path | None) -> None:
    """Refuse a folder before minutes are spent.

    Raises:
        QATFlowError: If nothing can be written there.
    """
    if out is None:
        return
    try:
        out.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=out).close()
    except OSError as error:
        raise QATFlowError(f"Cannot write to {out}: {error.strerror}. Name another folder with --out") from None
