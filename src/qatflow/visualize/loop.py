"""One picture of the loop: accuracy over time, which model answered, and the moments at which something happened."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from qatflow.report import wording
from qatflow.visualize.style import BLUE, DPI, GREEN, GREY, ORANGE, ROW, SMALL, new_figure, title

ROLLING = 100
LONGEST_VERSION = 10
SHADES = (BLUE, GREEN, ORANGE)


class Answer(NamedTuple):
    """An answer of the server: seconds since the start, whether it was right, and the version that gave it."""

    at_s: float
    right: bool
    version: str


class Moment(NamedTuple):
    """Something that happened, at so many seconds since the start."""

    at_s: float
    what: str


def rolling_accuracy(right: Sequence[bool], window: int = ROLLING) -> np.ndarray:
    """Return the share of right answers among the last `window` up to each one, (n,) float64."""
    sums = np.concatenate([[0.0], np.cumsum(np.asarray(right, np.float64))])
    ends = np.arange(1, len(sums))
    starts = np.maximum(0, ends - window)
    return np.asarray((sums[ends] - sums[starts]) / (ends - starts))


def draw_loop(answers: Sequence[Answer], moments: Sequence[Moment], words: str, out: Path) -> None:
    """Draw the timeline as PNG; `words` is its finding.

    Raises:
        OSError: If the file cannot be written.
    """
    figure = new_figure(10, 4.4 + ROW * len(moments))
    panel = figure.add_subplot()
    at, accuracy = np.array([answer.at_s for answer in answers]), rolling_accuracy([a.right for a in answers])
    for number, version in enumerate(dict.fromkeys(answer.version for answer in answers)):
        mine = np.array([answer.version == version for answer in answers])
        label = f"answered by version {wording.clip(version, LONGEST_VERSION)}"
        panel.scatter(at[mine], accuracy[mine], s=4, color=SHADES[number % 3], label=label)
    for number, moment in enumerate(moments, 1):
        panel.axvline(moment.at_s, color=GREY, linewidth=0.8, linestyle=":")
        panel.text(moment.at_s, 1.03 + 0.05 * (number % 2), str(number), fontsize=SMALL, color=GREY, ha="center")
    panel.set_ylim(0, 1.14)
    panel.set_xlim(0, max([at[-1], *(moment.at_s for moment in moments)]) * 1.02)
    panel.set_ylabel(f"accuracy, last {ROLLING} answers")
    listed = [f"{number}  {moment.at_s:5.0f} s  {moment.what}" for number, moment in enumerate(moments, 1)]
    panel.set_xlabel("\n".join(["seconds since the first request", "", *listed]), fontsize=SMALL + 1, loc="left")
    panel.legend(loc="lower left", fontsize=SMALL, markerscale=3)
    title(panel, words, 110)
    figure.savefig(out, dpi=DPI, metadata={"Software": None})
