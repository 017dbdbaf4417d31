"""`qatflow compare`: two bundles or runs side by side, on the screen and as a page."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from qatflow.artifacts import write_text
from qatflow.cli.files import writing
from qatflow.cli.screen import hushed

if TYPE_CHECKING:
    from qatflow.report.compare.tables import Row

Place = Annotated[Path, typer.Argument(help="A bundle's folder, a project, or a report's folder or summary.json.")]
Out = Annotated[Path, typer.Option(metavar="FILE", help="The page; what is there is replaced.")]


def compare(a: Place, b: Place, out: Out = Path("comparison.html")) -> None:
    """Compare two bundles or two runs: figures, whether they differ beyond noise, layers, parameters, lineage."""
    with hushed():
        from qatflow.report.compare import page, tables
        from qatflow.report.compare.read import read_side

        one, other = read_side(a, Path.cwd()), read_side(b, Path.cwd())
        html = page.render(one, other)
        rows = tables.figures(one, other)
    with writing(out):
        write_text(out, html)
    console = Console(highlight=False)
    console.print(Text(f" {page.finding(one, other, rows)}", style="bold"), soft_wrap=True)
    console.print(_table(rows))
    console.print(Text(f" page  {out}"), soft_wrap=True)


def _table(rows: "list[Row]") -> Table:
    table = Table(box=None, pad_edge=True)
    for name in ("", "A", "B", "B against A", "beyond noise?"):
        table.add_column(Text(name), justify="left" if name in {"", "beyond noise?"} else "right")
    for row in rows:
        verdict = f"{row.verdict}{f': {row.reason}' if row.reason else ''}"
        table.add_row(*(Text(cell) for cell in (row.name, row.a, row.b, row.difference, verdict)))
    return table
