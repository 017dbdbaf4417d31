"""`qatflow distil`: one quantized student of a bundle, say of an ensemble."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from qatflow.cli.ensemble import Data, Label, MaxSamples, Seed, Source
from qatflow.cli.files import check_inputs
from qatflow.quiet import hushed
from qatflow.screen import Screen

Teacher = Annotated[Path, typer.Argument(metavar="BUNDLE", help="Folder of the bundle that teaches.")]
Student = Annotated[Path, typer.Option(help="A float Keras model to start from: .keras or .h5.")]
Out = Annotated[Path, typer.Option(help="Folder for the bundle: new, or an earlier result.")]
Strategy = Annotated[str, typer.Option(help="A quantization strategy that trains: qat_*.")]
Epochs = Annotated[int, typer.Option(min=1, help="Of training.")]
Share = Annotated[float, typer.Option(min=0.0, max=1.0, help="Of the bundle's answers in the targets, beside labels.")]
Rate = Annotated[float, typer.Option(min=1e-9, help="Learning rate at the start.")]


def distil(  # noqa: PLR0913, PLR0917 (a command's options)
    bundle: Teacher,
    student: Student,
    data: Data,
    out: Out,
    strategy: Strategy = "qat_w8a8_per_channel",
    epochs: Epochs = 10,
    share: Share = 0.5,
    learning_rate: Rate = 0.001,
    source: Source = None,
    label: Label = "label",
    max_samples: MaxSamples = None,
    seed: Seed = 42,
) -> None:
    """Train one quantized student towards the answers of a bundle, and write it as a bundle of its own.

    DATA are in the units that the bundle takes; the student gets the bundle's preprocessing.
    """
    screen = Screen(Console(highlight=False))
    check_inputs(data, source, student)
    with screen.stage(f"distil into {student.name}") as line, hushed():
        from qatflow.release.distilled import Lesson, distil_bundle
        from qatflow.release.own_data import OwnData

        own = OwnData(data, source, label, max_samples, seed, line.progress)
        result = distil_bundle(bundle, student, own, Lesson(strategy, epochs, share, learning_rate), out)
    _say(screen, result, out)


def _say(screen: Screen, result: dict[str, Any], out: Path) -> None:
    teacher = result["teacher"]
    screen.say()
    screen.say(
        f" {result['strategy']}: {result['tflite_accuracy']:.4f} on the test split, {result['size_bytes']} bytes",
        "bold",
    )
    screen.say(
        f"   its teacher ({teacher['strategy']}): {teacher['score']:.4f}, {teacher['size_bytes']} bytes; "
        f"p = {result['p']:.4f} that the difference is chance",
        "dim",
    )
    screen.say(f" bundle  {out}")
