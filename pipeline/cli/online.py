"""``online``: what users did with the lists that they were shown."""

from pathlib import Path

import click

from pipeline.cli.command import (
    json_option,
    main,
    out_option,
    print_json,
    verbose_option,
)


def _seconds(
    ctx: click.Context, option: click.Parameter, text: str | None
) -> int | None:
    from pipeline.config.online_section import within

    if text is None:
        return None
    try:
        return within(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


@main.command()
@click.option(
    "--within",
    metavar="TIME",
    callback=_seconds,
    help="For how long after a list an event counts, as in 30m, 6h or 2d, instead of "
    "online.attribution_window.",
)
@out_option
@json_option
@verbose_option
def online(within: int | None, out: Path, as_json: bool) -> None:
    """Show what users did with the lists that they were shown.

    An event counts for the last list before it that has its item. The lists are those
    that 'marquee serve --log-lists' has logged, the events those that it has received
    (docs/online.md).
    """
    import time

    from pipeline.online.measure import measure
    from pipeline.online.settings import settings_of
    from pipeline.views.terminal import open_console
    from pipeline.views.terminal.online import print_online

    settings, problem = settings_of(out)
    if problem:
        click.echo(f"Warning: online.* has its defaults: {problem}", err=True)
    window = settings.window if within is None else within
    found = measure(out, window, settings.conversions, time.time())
    if as_json:
        print_json(found)
    else:
        print_online(open_console(), found)
