"""One picture of online learning: prequential accuracy, drifts that were seen, and what became of the candidates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from qatflow.artifacts import Array
from qatflow.report.course import smooth
from qatflow.visualize.style import BLUE, DPI, GREEN, GREY, ORANGE, SMALL, new_figure, title


class Curve(NamedTuple):
    """Accuracy of consecutive buckets of samples: where each ends, (b,) int64, and the accuracy in it, (b,) float64."""

    ends: Array
    accuracy: Array


def draw_course(
    learned: Curve,
    candidates: Sequence[Mapping[str, Any]],
    drifts: Sequence[int],
    out: Path,
    frozen: Curve | None = None,
) -> None:
    """Draw the timeline of a course as PNG.

    Args:
        learned: Prequential accuracy of the flatbuffer that predicted.
        candidates: As `online.candidates.Judged.to_dict` gives them.
        drifts: Samples learned at each detected drift.
        out: The file.
        frozen: The same of the model that learning began with, if it was measured.

    Raises:
        OSError: If the file cannot be written.
    """
    figure = new_figure(9, 3.6)
    panel = figure.add_subplot()
    if frozen is not None:
        panel.plot(frozen.ends, smooth(frozen.accuracy), color=GREY, linewidth=1.2, label="without learning")
    panel.plot(learned.ends, smooth(learned.accuracy), color=BLUE, linewidth=1.6, label="prequential, flatbuffer")
    for number, at in enumerate(drifts):
        panel.axvline(at, color=ORANGE, linewidth=0.8, linestyle=":", label=None if number else "drift seen")
    for outcome, colour, marker in (("promoted", GREEN, "^"), ("", GREY, "x")):
        chosen = [one for one in candidates if (one["outcome"] == "promoted") == (outcome == "promoted")]
        if chosen:
            when, held = [one["learned"] for one in chosen], [one["holdout"] for one in chosen]
            label = f"candidate {outcome or 'dropped'}: hold-out"
            panel.scatter(when, held, s=22, color=colour, marker=marker, zorder=3, label=label)
    panel.set_ylim(0, 1.05)
    panel.set_xlabel("samples learned")
    panel.set_ylabel("accuracy")
    panel.legend(loc="lower left", fontsize=SMALL, ncols=2)
    promoted = sum(one["outcome"] == "promoted" for one in candidates)
    last = f", now {learned.accuracy[-5:].mean():.0%}" if len(learned.accuracy) else ""
    title(panel, f"{promoted} of {len(candidates)} candidates promoted, {len(drifts)} drifts seen{last}", 110)
    figure.savefig(out, dpi=DPI, metadata={"Software": None})
