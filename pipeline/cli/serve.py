"""The ``serve`` command: the live model over HTTP."""

import os
import sys
from pathlib import Path

import click

from pipeline.cli.command import main, out_option, verbose_option

TOKEN_VARIABLE = "MARQUEE_SERVE_TOKEN"


@main.command()
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address to listen on; 0.0.0.0 for all addresses of the machine.",
)
@click.option("--port", default=8501, show_default=True, type=click.IntRange(0, 65535))
@click.option(
    "--token-file",
    metavar="FILE",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help=f"Require the bearer token in the first line of FILE. [env: {TOKEN_VARIABLE}]",
)
@click.option(
    "--events",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Take events at POST /v1/events, and write each day to a span in DIR, which "
    "'marquee retrain --data DIR' reads.",
)
@out_option
@verbose_option
def serve(
    host: str, port: int, token_file: Path | None, events: Path | None, out: Path
) -> None:
    """Serve the live model over HTTP.

    The API consists of recommendations with titles, and of TensorFlow Serving's REST
    API. After a push or a rollback, the new live model takes over between two
    requests. SIGTERM or Ctrl-C ends the server after the requests in progress.
    """
    import logging

    from pipeline.serving.settings import ServingSettings

    token = _token(token_file)
    if token is None and host not in ("127.0.0.1", "::1", "localhost"):
        click.echo(
            f"Any client that can reach {host} has access. Set a token in "
            f"{TOKEN_VARIABLE} or with --token-file.",
            err=True,
        )
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(message)s"
    )
    from pipeline.serving.server import serve as served

    served(out, ServingSettings(host=host, port=port), token, events)


def _token(file: Path | None) -> str | None:
    """Returns the bearer token that requests must carry; None if they need none."""
    if file is not None:
        token = file.read_text().split("\n", 1)[0].strip()
        if not token:
            raise click.BadParameter(f"{file} is empty", param_hint="--token-file")
        return token
    return os.environ.get(TOKEN_VARIABLE) or None
