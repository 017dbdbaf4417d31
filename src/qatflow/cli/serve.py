"""`qatflow serve`: a bundle, what is deployed, or a registry's alias, over HTTP."""

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import typer

from qatflow import params_file
from qatflow.cli.project import find_root
from qatflow.errors import QATFlowError, ServingError
from qatflow.params.root import Params

Bundle = Annotated[
    Path | None, typer.Option("--bundle", help="A bundle, or a deploy root such as deployed/, which is followed.")
]
Address = Annotated[str | None, typer.Option("--model", help="models:/NAME@ALIAS, which is followed.")]
Name = Annotated[str | None, typer.Option(help="What clients call the model; by default the registered name.")]
Host = Annotated[str | None, typer.Option(help="By default serving.host of params.yaml.")]
Port = Annotated[int | None, typer.Option(min=0, max=65535, help="By default serving.port; 0 takes a free one.")]
TokenFile = Annotated[Path | None, typer.Option(help="Tokens that open the server, one a line; mode 600.")]
TrustedKeys = Annotated[
    list[Path] | None,
    typer.Option("--trusted-key", help="Public key that must have signed what PUT /v2/bundle brings."),
]
Record = Annotated[bool, typer.Option("--record/--no-record", help="Record requests for `qatflow monitor`.")]


def serve(  # noqa: PLR0913, PLR0917 (the command's options)
    bundle: Bundle = None,
    model: Address = None,
    name: Name = None,
    host: Host = None,
    port: Port = None,
    token_file: TokenFile = None,
    record: Record = True,
    trusted_key: TrustedKeys = None,
) -> None:
    """Serve a model over the Open Inference Protocol and MLflow's /invocations, until stopped."""
    from qatflow.adapters import alias_follower
    from qatflow.deploy.signing import read_public_key
    from qatflow.serving.gate import read_tokens
    from qatflow.serving.logs import log_to_stderr
    from qatflow.serving.serve import Settings
    from qatflow.serving.serve import serve as run

    root, params = project()
    if bundle is not None and model is not None:
        raise ServingError("--bundle and --model name two sources; give one")
    changes: dict[str, Any] = {"host": host, "port": port}
    limits = params.serving.model_copy(update={key: value for key, value in changes.items() if value is not None})
    tokens = read_tokens(token_file) if token_file else ()
    log_to_stderr()
    with ExitStack() as stack:
        if model is not None:
            bundle, name = alias_follower.mirrored(params, root, model), name or alias_follower.parse_address(model)[0]
            stack.enter_context(alias_follower.follower(params, root, model, bundle))
        settings = Settings(
            bundle=bundle or root / params.deploy.path,
            name=name or params.release.name,
            limits=limits,
            tokens=tokens,
            recording=params.monitoring if record else None,
            records=root / params.monitoring.path,
            trusted=tuple(map(read_public_key, trusted_key)) if trusted_key else None,
        )
        run(settings, _say)


def project() -> tuple[Path, Params]:
    """Return the project and its parameters; outside of one, this folder and the defaults."""
    try:
        root = find_root()
    except QATFlowError:
        return Path.cwd(), Params()
    return root, params_file.load(root / "params.yaml")


def _say(address: Any, model: Any) -> None:
    typer.echo(f" serving version {model.version} ({model.sha256[:12]}…) at http://{address.host}:{address.port}/v2")
