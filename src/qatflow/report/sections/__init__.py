"""The parts of the page, in reading order. Each turns a run into the plain values that its template shows.

The template of a part is `<name>.html.j2`, its values are there under that name; its one `<section>` has the name as
id, and the table of contents shows the name. A part that returns None is left out.
"""

from collections.abc import Callable, Mapping
from typing import Any

from qatflow.report.read import Run
from qatflow.report.sections import (
    data,
    ensemble,
    explanation,
    gates,
    headline,
    layers,
    learning,
    lineage,
    nights,
    online,
    quality,
    variants,
)

SECTIONS: Mapping[str, Callable[[Run], Any]] = {
    "headline": headline.headline,
    "online": online.online,
    "variants": variants.variants,
    "ensemble": ensemble.ensemble,
    "gates": gates.gates,
    "nights": nights.nights,
    "quality": quality.quality,
    "explanation": explanation.explanation,
    "learning": learning.learning,
    "layers": layers.layers,
    "data": data.data,
    "lineage": lineage.lineage,
}
