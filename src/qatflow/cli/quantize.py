"""`qatflow quantize`: from a Keras model and data to a bundle, without a project."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console

from qatflow.cli.files import check_inputs
from qatflow.errors import ParamsError, QATFlowError
from qatflow.quiet import hushed
from qatflow.release.quantized import check_place, save_bundle
from qatflow.screen import Screen
from qatflow.search.options import Goal, Options
from qatflow.search.trial import Trial

if TYPE_CHECKING:
    from qatflow.params.quantize import Width
    from qatflow.search.result import SearchResult

MARKS = {"measured": ("✓", ""), "skipped": ("·", "dim"), "failed": ("✗", "red")}

Model = Annotated[Path, typer.Argument(help="A Keras model: .keras or .h5.")]
Data = Annotated[
    str,
    typer.Option(help="digits, an .npz, a .csv, a folder of images (one folder a class) or of idx files."),
]
Out = Annotated[Path, typer.Option(help="Folder for the bundle: new, or an earlier result.")]
Strategy = Annotated[str, typer.Option(help="A quantization strategy, or auto: the smallest that loses little.")]
MaxDrop = Annotated[float, typer.Option(help="auto: how much accuracy (R², AUC) may be lost, as a share.")]
SizeBudget = Annotated[int | None, typer.Option(metavar="BYTES", help="Most bytes that the flatbuffer may have.")]
TimeBudget = Annotated[float | None, typer.Option(metavar="SECONDS", help="auto: most seconds to search.")]
Compressed = Annotated[
    bool,
    typer.Option("--compressed", help="auto: count bytes as zstd makes them; pruned and clustered models can win."),
]
Epochs = Annotated[int | None, typer.Option(help="Of each quantization-aware training.")]
Seed = Annotated[int, typer.Option(help="Decides splits and training.")]
Task = Annotated[
    str | None, typer.Option(help="classification, multi_label, regression or anomaly; by default told from both.")
]
Label = Annotated[str, typer.Option(metavar="COLUMN", help="csv: the column to predict.")]
Source = Annotated[str | None, typer.Option(metavar="NAME", help="Kind of data, where it is not told from DATA.")]
Exif = Annotated[Literal["turn", "keep"], typer.Option(help="Photos: turned upright as their EXIF says, or not.")]
MaxSamples = Annotated[int | None, typer.Option(help="Use at most so many samples of each split.")]

Layer = Annotated[
    list[str] | None,
    typer.Option("--layer", metavar="NAME=BITS", help="Keras layers, * for several: 4, 8 or float; may be repeated."),
]
Calibration = Annotated[
    Path | None, typer.Option(metavar="FILE", help=".npz whose x calibrates instead of training samples.")
]


def quantize(  # noqa: PLR0913, PLR0917 (a command's options)
    model: Model,
    data: Data,
    out: Out,
    strategy: Strategy = "auto",
    max_drop: MaxDrop = 0.01,
    size_budget: SizeBudget = None,
    time_budget: TimeBudget = None,
    compressed: Compressed = False,
    epochs: Epochs = None,
    seed: Seed = 42,
    task: Task = None,
    label: Label = "label",
    source: Source = None,
    max_samples: MaxSamples = None,
    exif: Exif = "turn",
    layer: Layer = None,
    calibration: Calibration = None,
) -> None:
    """Quantize a trained Keras model and write it as a bundle with all figures in result.json.

    DATA go into the model as they are. They are split; figures come from the test split, measured on the flatbuffer.
    """
    goal = Goal(max_drop, size_budget, time_budget, compressed)
    screen = Screen(Console(highlight=False))
    check_inputs(data, source, model)
    with screen.stage(f"quantize {model.name}") as line:
        options = Options(
            task=task,
            source=source,
            label=label,
            max_samples=max_samples,
            exif=exif,
            epochs=epochs,
            seed=seed,
            layers=_widths(layer or []),
            calibration=calibration,
            progress=line.progress,
            on_trial=lambda trial: _say_trial(screen, trial),
        )
        check_place(out)
        line.progress("starting TensorFlow", 0, 1)
        result = _search(model, data, strategy, goal, options)
        _written(result, out)
    _say_result(screen, result, out)


def _widths(layers: list[str]) -> "dict[str, Width]":
    """Read `conv=8`, `head*=float`.

    Raises:
        ParamsError: If one is written otherwise; `Options` looks at what is wanted.
    """
    widths: dict[str, Width] = {}
    for text in layers:
        name, _, width = text.rpartition("=")
        if not name or width not in {"4", "8", "float"}:
            raise ParamsError(f"--layer {text}: expected NAME=4, 8 or float, such as conv2d_1=8 or head*=float")
        widths[name] = "float" if width == "float" else 8 if width == "8" else 4
    return widths


def _search(model: Path, data: str, strategy: str, goal: Goal, options: Options) -> "SearchResult":
    with hushed():
        from qatflow.search.api import quantize as search

        try:
            return search(model, data, strategy, goal=goal, options=options)
        except OSError as error:
            raise _explained(error) from error


def _written(result: "SearchResult", out: Path) -> None:
    try:
        with hushed():
            save_bundle(result, out)
    except OSError as error:
        raise _explained(error) from error


def _explained(error: OSError) -> QATFlowError:
    reason = os.strerror(error.errno) if error.errno else str(error)
    return QATFlowError(f"{reason}{f' ({error.filename})' if error.filename else ''}; nothing was written")


def _say_trial(screen: Screen, trial: Trial) -> None:
    mark, style = MARKS[trial.status]
    figures = ""
    if trial.size_bytes:
        size = f"{trial.size_bytes:>10} bytes ({trial.zstd_bytes} compressed)"
        figures = f"val {trial.val_score:.4f}  {size}  {trial.seconds:7.1f} s"
    screen.say(f"   {mark} {trial.strategy:22} {figures or f'{trial.status}: {trial.reason}'}", style)
    if trial.lost:
        screen.say(f"     loses too much: {trial.lost}", "yellow")
    if trial.alarm is not None:
        screen.say(f"     ALARM: {trial.alarm}", "bold red")


def _say_result(screen: Screen, result: "SearchResult", out: Path) -> None:
    facts = result.to_dict()
    screen.say()
    screen.say(
        f" {result.strategy}: {facts['size_bytes']} bytes (float {facts['float_size_bytes']}), {result.metric} "
        f"{facts['tflite_accuracy']:.4f} on the test split (float {facts['float_accuracy']:.4f}), "
        f"agrees with float on {facts['agreement']:.2%}",
        "bold",
    )
    screen.say(f"   {result.reason}", "dim")
    if facts["alarm"]:
        screen.say(f"   ALARM: {facts['alarm']}", "bold red")
    for note in facts["notes"]:
        screen.say(f"   note: {note}", "yellow")
    screen.say(f" bundle  {out}")
