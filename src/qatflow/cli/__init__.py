"""The `qatflow` command: thin; each command's work is done elsewhere in the library."""

import signal
import sys
from typing import Annotated

import typer

from qatflow import __version__, errors, extras
from qatflow.cli import (
    archives,
    challenge,
    compare,
    deploy,
    distil,
    doctor,
    ensemble,
    explain,
    init,
    models,
    monitor,
    online,
    quantize,
    registry,
    run,
    serve,
    stream,
    sweep,
    visualize,
)

app = typer.Typer(
    name="qatflow",
    help="From a Keras model or a data set to a verified int8/int4 TFLite model.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _say_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"qatflow {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_say_version, help="Say which version this is.")
    ] = False,
) -> None:
    """From a Keras model or a data set to a verified int8/int4 TFLite model."""


app.command()(init.init)
app.command()(init.upgrade)
app.command()(run.run)
app.command()(run.status)
app.command()(run.graph)
app.command()(sweep.sweep)
app.command()(quantize.quantize)
app.command()(ensemble.ensemble)
app.command()(distil.distil)
app.command()(explain.explain)
app.command()(models.evaluate)
app.command()(models.infer)
app.command()(visualize.visualize)
app.command()(compare.compare)
app.command()(deploy.deploy)
app.command()(serve.serve)
app.command()(challenge.challenge)
app.command()(monitor.monitor)
app.command()(monitor.feedback)
app.command()(online.online)
app.add_typer(stream.app, name="stream")
app.command()(registry.promote)
app.command()(registry.rollback)
app.command()(registry.history)
app.command()(registry.lineage)
app.command()(archives.keygen)
app.command()(archives.verify)
app.command()(archives.sign)
app.command()(doctor.doctor)


def main() -> None:
    """Run the command line; a user's mistake ends with exit code 1 and a sentence, not a traceback."""
    try:
        with extras.named(f"`qatflow {' '.join(sys.argv[1:2])}`"):
            app()
    except SystemExit as end:
        if end.code == 128 + signal.SIGINT:  # as Typer ends at Ctrl-C, without a word
            typer.echo("Stopped.", err=True)
        raise
    except errors.QATFlowError as error:
        sys.exit(f"Error: {error}")
    except OSError as error:
        sys.exit(f"Error: {errors.refusal(error)}")
