"""`qatflow compare`: two bundles or runs side by side, on the screen and as a page."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from qatflow.cli.files import writing
from qatflow.quiet import hushed

if TYPE_CHECKING:
    from qatflow.report.compare.comparison import Comparison

Place = Annotated[Path, typer.Argument(help="A bundle's folder, a project, or a report's folder or summary.json.")]
Out = Annotated[Path, typer.Option(metavar="FILE", help="The page; what is there is replaced.")]


def compare(a: Place, b: Place, out: Out = Path("comparison.html")) -> None:
    """Compare two bundles or two runs: figures, whether they differ beyond noise, layers, parameters, lineage."""
    with hushed():
        from qatflow.report.compare.comparison import compare as compared

        found = compared(a, b)
    with writing(out):
        found.save(out)
    console = Console(highlight=False)
    console.print(Text(f" {found.finding}", style="bold"), soft_wrap=True)
    console.print(_table(found))
    console.print(Text(f" page  {out}"), soft_wrap=True)


def _table(found: "Comparison") -> Table:
    from qatflow.report.compare.comparison import HEADER, cells

    table = Table(box=None, pad_edge=True)
    for place, name in enumerate(HEADER):
        table.add_column(Text(name), justify="left" if place in {0, len(HEADER) - 1} else "right")
    for row in found.rows:
        table.add_row(*map(Text, cells(row)))
    return table
