"""`qatflow online`: learn from a stream, on one calm screen."""

from pathlib import Path
from typing import Annotated

import typer

from qatflow.cli.project import find_root
from qatflow.cli.run import check_project, start_flow

Address = Annotated[str, typer.Option("--stream", help="spool:DIR, redis://HOST:PORT/KEY or kafka://HOST:PORT/TOPIC.")]
From = Annotated[
    str | None, typer.Option("--from", help="A bundle or models:/NAME@ALIAS, by default the deployed one.")
]
State = Annotated[Path, typer.Option(help="Folder of the checkpoints; learning goes on from the newest.")]
UntilEnd = Annotated[bool, typer.Option("--until-end", help="Stop when the stream is read up.")]


def online(stream: Address, begin: From = None, state: State = Path("online"), until_end: UntilEnd = False) -> None:
    """Keep learning from a stream: predict, learn, and release what is better. Section `online` of params.yaml."""
    root = find_root()
    check_project(root, "online")
    words = ["--stream", stream, "--state", str(state.absolute())]
    words += ["--from", begin] if begin else []
    words += ["--until-end"] if until_end else []
    start_flow(root, "online", *words)
