"""All pictures of a bundle: which there are, what each needs, and the files they become."""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from qatflow import artifacts
from qatflow.visualize import errors, layers, weights
from qatflow.visualize.style import Format, render
from qatflow.visualize.subject import Subject

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Draw = Callable[[Subject], "Figure | None"]
FLOAT, DATA = "a float model (--float)", "data (--data)"


@dataclass(frozen=True)
class Picture:
    """A kind of picture and what it needs besides the bundle."""

    draw: Draw
    needs: tuple[str, ...] = ()


PICTURES: Mapping[str, Picture] = {
    "sizes": Picture(layers.sizes),
    "noise": Picture(layers.noise, (FLOAT,)),
    "channels": Picture(layers.channels, (FLOAT,)),
    "confusion": Picture(errors.confusion, (DATA,)),
    "lost": Picture(errors.lost, (FLOAT, DATA)),
}


@dataclass(frozen=True)
class Drawn:
    """What was written, and a line for each thing that could not be drawn."""

    files: tuple[Path, ...]
    left_out: tuple[str, ...]


def draw_all(subject: Subject, out: Path, kind: Format) -> Drawn:
    """Write every picture that can be drawn into the folder `out`, made if need be; others in it stay.

    Raises:
        ConversionError: If a flatbuffer cannot be read or run.
        OSError: If `out` cannot be written.
    """
    out.mkdir(parents=True, exist_ok=True)
    files: dict[str, Path] = {}
    for name, figure in _figures(subject):
        files[name] = out / f"{name}.{kind}"
        artifacts.write_bytes(files[name], render(figure, kind))
    return Drawn(tuple(files.values()), tuple(_left_out(subject, files)))


def _figures(subject: Subject) -> Iterator[tuple[str, Figure]]:
    for name, picture in PICTURES.items():
        if not _missing(subject, picture) and (figure := picture.draw(subject)):
            yield name, figure
    for place, layer in enumerate(subject.layers):
        yield f"weights-{place:02d}-{file_name(layer.name)}", weights.draw(layer, subject.originals.get(place))


def file_name(name: str) -> str:
    """Return a layer's name as a part of a file's: letters, digits, dots and dashes."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.")[:60] or "layer"


def _missing(subject: Subject, picture: Picture) -> list[str]:
    there = {FLOAT: subject.float_model is not None, DATA: subject.data is not None}
    return [need for need in picture.needs if not there[need]]


def _left_out(subject: Subject, drawn: Container[str]) -> Iterator[str]:
    for need in (FLOAT, DATA):
        lacking = [name for name, picture in PICTURES.items() if need in _missing(subject, picture)]
        if lacking:
            yield f"without {need} there is no picture of: {', '.join(lacking)}"
    if not _missing(subject, PICTURES["lost"]) and "lost" not in drawn:
        yield "no picture of lost images: the float model gets none right that this one gets wrong"
    if subject.float_model is not None and len(subject.originals) < len(subject.layers):
        count = len(subject.layers) - len(subject.originals)
        yield f"{count} of {len(subject.layers)} layers have no counterpart of their shape in the float model"
