"""`qatflow ensemble`: several bundles as one, without a project and without TensorFlow."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from qatflow.cli.files import check_inputs
from qatflow.quiet import hushed
from qatflow.screen import Screen

Bundles = Annotated[list[Path], typer.Argument(metavar="BUNDLE BUNDLE…", help="Folders of bundles, two at least.")]
Data = Annotated[
    str,
    typer.Option(help="digits, an .npz, a .csv, a folder of images (one folder a class) or of idx files."),
]
Out = Annotated[Path, typer.Option(help="Folder for the bundle: new, or an earlier result.")]
Combine = Annotated[str, typer.Option(help="mean, weighted (fitted on the validation split) or vote.")]
Size = Annotated[int | None, typer.Option(min=2, help="Choose at most so many; by default all are taken.")]
Source = Annotated[str | None, typer.Option(metavar="NAME", help="Kind of data, where it is not told from DATA.")]
Label = Annotated[str, typer.Option(metavar="COLUMN", help="csv: the column to predict.")]
MaxSamples = Annotated[int | None, typer.Option(min=1, help="Use at most so many samples of each split.")]
Seed = Annotated[int, typer.Option(help="Decides the splits; take the one that the bundles were made with.")]


def ensemble(  # noqa: PLR0913, PLR0917 (a command's options)
    bundles: Bundles,
    data: Data,
    out: Out,
    combine: Combine = "weighted",
    size: Size = None,
    source: Source = None,
    label: Label = "label",
    max_samples: MaxSamples = None,
    seed: Seed = 42,
) -> None:
    """Merge bundles into one flatbuffer that combines their answers, and write it as a bundle.

    DATA are in the units that the bundles take. They are split; weights come from the validation split, figures from
    the test split.
    """
    screen = Screen(Console(highlight=False))
    check_inputs(data, source)
    with screen.stage(f"ensemble of {len(bundles)} bundles") as line, hushed():
        from qatflow.release.ensembled import ensemble_bundles
        from qatflow.release.own_data import OwnData

        own = OwnData(data, source, label, max_samples, seed, line.progress)
        result = ensemble_bundles(bundles, own, out, combine=combine, size=size)
    _say(screen, result, out)


def _say(screen: Screen, result: dict[str, Any], out: Path) -> None:
    best = result["best"]
    gain, p = (result["against"][best][name] for name in ("gain", "p"))
    screen.say()
    screen.say(
        f" {result['combine']} of {len(result['members'])}: {result['tflite_accuracy']:.4f} on the test split, "
        f"{gain:+.4f} against {best}, the best of them (p = {p:.4f})",
        "bold",
    )
    for name, member in result["members"].items():
        screen.say(f"   {member['weight']:.4f}  {name:30} {member['score']:.4f}  {member['size_bytes']:>10} bytes")
    screen.say(
        f"   {result['size_bytes']} bytes, {result['size_ratio']:.1f} times those of {best}; "
        f"{result['latency_ratio']:.1f} times its latency",
        "dim",
    )
    screen.say(f" bundle  {out}")
    screen.say(f" at the price of one model: qatflow distil {out} --student MODEL --data DATA --out DIR", "dim")
