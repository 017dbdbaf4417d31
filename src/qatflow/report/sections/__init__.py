"""The parts of the page, in reading order. Each turns a run into the plain values its template shows."""

from collections.abc import Callable, Mapping
from typing import Any

from qatflow.report.read import Run
from qatflow.report.sections import data, details, ensemble, gates, headline, learning, lineage, quality, variants

SECTIONS: Mapping[str, Callable[[Run], Any]] = {
    "headline": headline.headline,
    "variants": variants.variants,
    "ensemble": ensemble.ensemble,
    "gates": gates.gates,
    "quality": quality.quality,
    "learning": learning.learning,
    "details": details.details,
    "data": data.data,
    "lineage": lineage.lineage,
}
