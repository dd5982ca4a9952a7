"""``serve``: the live model over HTTP; ``replay``: the lists that it has logged."""

import dataclasses
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from components.wording import counted
from pipeline.cli.command import (
    VERBOSE,
    json_option,
    main,
    out_option,
    print_json,
    verbose_option,
)

if TYPE_CHECKING:
    from pipeline.serving.server_log import Format

TOKEN_VARIABLE = "MARQUEE_SERVE_TOKEN"
MAX_SHOWN = 5  # lists that differ


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
@click.option(
    "--log-lists",
    "log_share",
    metavar="SHARE",
    default=0.0,
    type=click.FloatRange(0, 1),
    help="Log a share of the lists, from 0 (the default) to 1, with all that they were "
    "made of, for 30 days; 'marquee replay' makes them again.",
)
@click.option(
    "--holds",
    default="both",
    show_default=True,
    type=click.Choice(["both", "live", "trial"]),
    help="Which versions of a trial to serve (docs/delivery.md): one of them where "
    "another server has the other.",
)
@click.option(
    "--explore",
    metavar="PLACES/POOL",
    callback=lambda _, __, text: _places_and_pool(text),
    help="Draw the last PLACES of each page at random from the next POOL items of the "
    "model's list, as in 3/20, for 'marquee off-policy'. Needs --log-lists.",
)
@click.option(
    "--redact",
    "redacted",
    multiple=True,
    type=click.Choice(["user", "history", "features", "filters"]),
    help="Leave a field out of logged lists; a user is replaced by a hash, whose key "
    "is in the folder of the runs. 'marquee replay' cannot make such lists again. "
    "Repeatable.",
)
@click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    show_envvar=True,
    envvar="MARQUEE_LOG_FORMAT",
    help="Format of the log on standard error: lines for people, or a JSON object per "
    "line.",
)
@out_option
@verbose_option
def serve(
    host: str,
    port: int,
    token_file: Path | None,
    log_format: "Format",
    out: Path,
    **options: Any,
) -> None:
    """Serve the live model over HTTP.

    The API consists of recommendations with titles, and of TensorFlow Serving's REST
    API. After a push or a rollback, the new live model takes over between two
    requests. SIGTERM or Ctrl-C ends the server after the requests in progress.
    """
    import logging

    from pipeline.serving import server_log
    from pipeline.serving.settings import ServingSettings

    if options["explore"][0] and not options["log_share"]:
        raise click.UsageError(
            "--explore without --log-lists shows worse items, and nothing is learned "
            "from it: add --log-lists 1"
        )
    if options["redacted"] and not options["log_share"]:
        raise click.UsageError("--redact applies to --log-lists, which is 0")
    server_log.begin(log_format)
    token = _token(token_file)
    if token is None and host not in ("127.0.0.1", "::1", "localhost"):
        logging.warning(
            "Any client that can reach %s has access. Set a token in %s or with "
            "--token-file.",
            *(host, TOKEN_VARIABLE),
        )
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    from pipeline.serving.server import serve as served

    settings = ServingSettings(host, port, **options)
    served(out, settings, token)


@main.command()
@out_option
@json_option
@verbose_option
@click.pass_context
def replay(ctx: click.Context, out: Path, as_json: bool) -> None:
    """Make the lists that 'marquee serve --log-lists' logged again.

    The versions that made them must still be in the folder of the runs. Items and
    scores are compared bit by bit; the exit status is 6 if some differ.
    """
    from pipeline import exit_codes, machine
    from pipeline.views.terminal import hidden_output

    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    with hidden_output(VERBOSE in ctx.meta):
        from pipeline.serving.replay import replay as replayed

        result = replayed(out, machine.cores())
    if as_json:
        print_json(dataclasses.asdict(result))
    else:
        click.echo(f"{result.equal} lists are equal, {len(result.different)} differ.")
        for line in result.different[:MAX_SHOWN]:
            click.echo(line)
        for reason, number in result.skipped.items():
            click.echo(f"{counted(number, 'list')} not made again: {reason}.")
        for line in result.damaged:
            click.echo(line)
    if result.different:
        ctx.exit(exit_codes.FAILED)


def _places_and_pool(text: str | None) -> tuple[int, int]:
    """Returns the numbers in ``PLACES/POOL``; zeros if there is no such text."""
    from pipeline.serving.settings import MAX_POOL

    if text is None:
        return 0, 0
    found = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", text)
    places, pool = map(int, found.groups()) if found else (0, 0)
    if not 1 <= places < pool <= MAX_POOL:
        raise click.BadParameter(
            f"{text[:20]!r}: expected two numbers such as 3/20, the second one larger "
            f"than the first and at most {MAX_POOL}",
            param_hint="--explore",
        )
    return places, pool


def _token(file: Path | None) -> str | None:
    """Returns the bearer token that requests must carry; None if they need none."""
    if file is not None:
        token = file.read_text().split("\n", 1)[0].strip()
        if not token:
            raise click.BadParameter(f"{file} is empty", param_hint="--token-file")
        return token
    return os.environ.get(TOKEN_VARIABLE) or None
