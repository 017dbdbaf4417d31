"""What a classifier gets wrong: the confusion matrix, and the images that quantization lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from sklearn.metrics import confusion_matrix

from qatflow.artifacts import Array
from qatflow.report.figures.confusion import finding
from qatflow.report.lost import Lost, find_lost
from qatflow.report.pixels import is_picture, to_uint8
from qatflow.visualize import style
from qatflow.visualize.subject import Subject

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_COUNTS = 20
"""With more classes, counts in the cells cannot be read; colours can."""
MOST_NAMES = 40
"""Of more classes every so many is named that no names cover each other."""
SHOWN, ACROSS = 24, 6


def confusion(subject: Subject) -> Figure | None:
    """Draw the confusion matrix on the test split; None unless there are classes and data."""
    if subject.data is None or subject.task != "classification":
        return None
    names, y = subject.data.class_names, subject.data.test.labels()
    matrix = confusion_matrix(y, subject.outputs.argmax(axis=1), labels=range(len(names)))
    side = 4.0 + 0.16 * min(len(names), MOST_NAMES)
    figure = style.new_figure(side + 1, side)
    panel = figure.subplots()
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    image = panel.imshow(shares, cmap=style.SEQUENTIAL, vmin=0, vmax=1, interpolation="nearest")
    figure.colorbar(image, ax=panel, shrink=0.8).set_label("share of the true class")
    if len(names) <= MOST_COUNTS:
        _write_counts(panel, matrix, shares)
    _name(panel, names)
    words = finding(style.plain(subject.name), matrix.tolist(), [style.plain(name) for name in names])
    style.title(panel, words, 12 * round(side))
    return figure


def lost(subject: Subject) -> Figure | None:
    """Draw the images that the float model gets right and the quantized one does not; None if there are none."""
    if subject.data is None or subject.float_model is None or not _has_images(subject):
        return None
    found = find_lost(subject.data.test, subject.outputs, subject.float_model)
    if not found.samples:
        return None
    shown = found.samples[:SHOWN]
    rows = -(-len(shown) // ACROSS)
    figure = style.new_figure(1.7 * ACROSS, 0.9 + 2.1 * rows)
    panels = figure.subplots(rows, ACROSS, squeeze=False).ravel()
    for panel, sample in zip(panels, shown, strict=False):
        _show(panel, sample, subject.data.class_names)
    for panel in panels[len(shown) :]:
        panel.set_axis_off()
    more = f", the {len(shown)} surest errors" if len(found.samples) > len(shown) else ""
    figure.suptitle(
        f"{style.plain(subject.name)} loses {len(found.samples)} images that the float model gets right{more}",
        fontsize=11,
    )
    return figure


def _has_images(subject: Subject) -> bool:
    return subject.data is not None and subject.task == "classification" and is_picture(subject.data.input_shape)


def _show(panel: Axes, sample: Lost, names: tuple[str, ...]) -> None:
    pixels = to_uint8(sample.x)
    panel.imshow(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels, cmap="gray", interpolation="nearest")
    panel.set_xticks([])
    panel.set_yticks([])
    truth, taken = (style.plain(names[number])[:16] for number in (sample.truth, sample.taken))
    panel.set_title(f"#{sample.position}\n{truth}\ntaken for {taken}", fontsize=style.SMALL)


def _write_counts(panel: Axes, matrix: Array, shares: Array) -> None:
    for i, j in np.argwhere(matrix):
        colour = "white" if shares[i, j] > 0.55 else "black"
        panel.text(j, i, str(matrix[i, j]), ha="center", va="center", fontsize=style.SMALL, color=colour)


def _name(panel: Axes, names: tuple[str, ...]) -> None:
    places = range(0, len(names), -(-len(names) // MOST_NAMES))
    words = [style.plain(names[place]) for place in places]
    panel.set_xticks(places, words, fontsize=style.SMALL - 1, rotation=90)
    panel.set_yticks(places, words, fontsize=style.SMALL - 1)
    panel.set_xlabel("predicted class")
    panel.set_ylabel("true class")
