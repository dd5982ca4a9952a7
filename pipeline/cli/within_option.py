"""``--within``: for how long after a list an event counts."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from pipeline.config.online_section import OnlineConfig


def _seconds(_: click.Context, __: click.Parameter, text: str | None) -> int | None:
    from pipeline.config.online_section import within

    if text is None:
        return None
    try:
        return within(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


within_option = click.option(
    "--within",
    metavar="TIME",
    callback=_seconds,
    help="For how long after a list an event counts, as in 30m, 6h or 2d, instead of "
    "online.attribution_window.",
)


def online_settings(out: Path, within: int | None) -> tuple["OnlineConfig", int]:
    """Returns the settings, and for how many seconds after a list an event counts.

    Prints a warning if the settings are the defaults.

    Args:
        out: Folder of the runs.
        within: The seconds that the option names; None for those of the settings.
    """
    from pipeline.online.settings import settings_of

    settings, problem = settings_of(out)
    if problem:
        click.echo(f"Warning: online.* has its defaults: {problem}", err=True)
    return settings, settings.window if within is None else within
