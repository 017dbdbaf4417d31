"""`qatflow visualize`: pictures of what quantization did to a bundle, without TensorFlow."""

import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from qatflow.cli.ensemble import Label, MaxSamples, Seed, Source
from qatflow.cli.explain import Data
from qatflow.cli.files import writing
from qatflow.cli.models import BundleFolder
from qatflow.errors import lookup
from qatflow.quiet import hushed
from qatflow.screen import Screen

FORMATS = {"png": "png", "svg": "svg"}
FloatModel = Annotated[
    Path | None, typer.Option("--float", help="The float .tflite; default: the one in the bundle's project.")
]
Out = Annotated[Path, typer.Option(help="Folder for the pictures.")]
Format = Annotated[str, typer.Option("--format", help="png or svg.")]


def visualize(  # noqa: PLR0913, PLR0917 (a command's options)
    bundle: BundleFolder,
    float_model: FloatModel = None,
    data: Data = None,
    out: Out = Path("pictures"),
    kind: Format = "png",
    source: Source = None,
    label: Label = "label",
    max_samples: MaxSamples = None,
    seed: Seed = 42,
) -> None:
    """Draw a bundle: weights before and after, noise by layer and channel, sizes, confusions, the images it loses."""
    lookup("format", kind, FORMATS)
    screen = Screen(Console(highlight=False))
    with screen.stage(f"pictures of {bundle}") as line, hushed(), tempfile.TemporaryDirectory() as folder:
        from qatflow.release.own_data import OwnData
        from qatflow.visualize.pictures import draw_all
        from qatflow.visualize.subject import open_subject

        own = None if data is None else OwnData(data, source, label, max_samples, seed, line.progress)
        subject = open_subject(bundle, float_model, own, Path(folder) / "prepare", Path.cwd())
        with writing(out):
            drawn = draw_all(subject, out, "svg" if kind == "svg" else "png")
    screen.say(f" wrote {len(drawn.files)} pictures into {out}: {', '.join(file.name for file in drawn.files)}")
    for words in drawn.left_out:
        screen.say(f"   {words}", "yellow")
