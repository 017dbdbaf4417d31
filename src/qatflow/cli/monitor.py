"""`qatflow monitor` and `qatflow feedback`: what a served model sees, and labels that come later."""

from __future__ import annotations

import json
import sqlite3
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qatflow.cli.files import writing
from qatflow.cli.serve import project
from qatflow.errors import ArtifactError, MonitoringError

if TYPE_CHECKING:
    from qatflow.monitoring.look import Seen

DRIFTED = 3
"""Exit code of a single look that found drift, or a changed error; 0 is none, 1 is that nothing could be judged."""
Folder = Annotated[Path | None, typer.Option("--path", help="Folder of the records; by default monitoring.path.")]
Bundle = Annotated[
    Path | None, typer.Option("--bundle", help="Whose reference is used; by default the deployed bundle.")
]
Once = Annotated[bool, typer.Option("--once", help="Look once; exit code 3 if there is drift, else 0.")]
AsJson = Annotated[bool, typer.Option("--json", help="The whole report as JSON; looks once.")]
Page = Annotated[Path | None, typer.Option("--html", help="Write a page with pictures; looks once.")]
Every = Annotated[float, typer.Option(min=0.2, help="Seconds between looks.")]


def monitor(
    path: Folder = None,
    bundle: Bundle = None,
    once: Once = False,
    as_json: AsJson = False,
    html: Page = None,
    every: Every = 2.0,
) -> None:
    """Watch a served model for drift: live on the terminal, once for scripts, or as a page."""
    from qatflow.monitoring.look import look
    from qatflow.monitoring.reference import REFERENCE, load_reference
    from qatflow.release.bundle import load_bundle

    root, params = project()
    folder, place = path or root / params.monitoring.path, bundle or root / params.deploy.path / "current"
    loaded = load_bundle(place)
    if REFERENCE not in loaded.manifest.files:
        raise ArtifactError(f"{place} holds no {REFERENCE}: it was made before there was monitoring; release it again")
    reference = load_reference(place / REFERENCE)
    if not (once or as_json or html):
        _live(lambda: look(folder, reference, params.monitoring), every)
        return
    seen = look(folder, reference, params.monitoring)
    if html is not None:
        from qatflow.visualize.monitoring import render

        with writing(html):
            html.write_text(render(seen, params.release.name), "utf-8")
    if as_json:
        typer.echo(json.dumps(seen.report.to_dict(), indent=1))
    else:
        from rich.console import Console

        from qatflow.cli.monitor_screen import draw, headline

        Console(highlight=False).print(draw(seen) if html is None else headline(seen))
        if html is not None:
            typer.echo(f" page {html}")
    sys.exit(DRIFTED if seen.report.drifted or seen.report.error_changed else 0)


def feedback(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV with the columns id and label.")],
    path: Folder = None,
) -> None:
    """Give labels to recorded requests, by the id that each answer carried."""
    from qatflow.monitoring.feedback import give_labels, read_labels
    from qatflow.monitoring.schema import open_records

    root, params = project()
    folder = path or root / params.monitoring.path
    pairs = list(read_labels(file))
    try:
        connection = open_records(folder)
        counts = give_labels(connection, pairs, params.monitoring.window)
        connection.close()
    except sqlite3.Error as error:
        raise MonitoringError(f"No label was given: {folder} cannot be written: {error}") from None
    typer.echo(f" {file}: {len(pairs)} labels")
    for name, count in counts.items():
        typer.echo(f"   {name.replace('_', ' '):15} {count}")


def _live(look: Callable[[], Seen], every: float) -> None:
    from rich.live import Live

    from qatflow.cli.monitor_screen import draw, waiting

    try:
        with Live(auto_refresh=False) as live:
            while True:
                try:
                    shown = draw(look())
                except MonitoringError as error:
                    shown = waiting(str(error))
                live.update(shown, refresh=True)
                time.sleep(every)
    except KeyboardInterrupt:
        return
