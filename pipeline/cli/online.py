"""``online``: what users did with the lists that they were shown."""

import time
from pathlib import Path

import click

from pipeline.cli.command import (
    json_option,
    main,
    out_option,
    print_json,
    verbose_option,
)
from pipeline.cli.within_option import online_settings, within_option


def _since(_: click.Context, __: click.Parameter, text: str | None) -> int:
    if text is None:
        return 0
    import msgspec

    from pipeline.config.types import Days
    from trainer_modules.configs.duration import duration_seconds

    try:
        return int(time.time()) - duration_seconds(msgspec.convert(text, Days))
    except msgspec.ValidationError as error:
        raise click.BadParameter(f"{text!r} is not a time such as 6h or 7d") from error


@main.command()
@click.option(
    "--last",
    "since",
    metavar="TIME",
    callback=_since,
    help="How old lists may be, as in 6h or 7d; by default, all in the log count.",
)
@within_option
@out_option
@json_option
@verbose_option
def online(since: int, within: int | None, out: Path, as_json: bool) -> None:
    """Show what users did with the lists that they were shown.

    An event counts for the last list before it that has its item. The lists are those
    that 'marquee serve --log-lists' has logged, the events those that it has received
    (docs/online.md).
    """
    from pipeline.online.measure import measure
    from pipeline.views.terminal import open_console
    from pipeline.views.terminal.online import print_online

    settings, window = online_settings(out, within)
    found = measure(out, window, settings.conversions, time.time(), since)
    if as_json:
        print_json(found)
    else:
        print_online(open_console(), found)
