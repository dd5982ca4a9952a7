"""``off-policy``: what a version would earn, from lists of other versions."""

import os
import re
from pathlib import Path

import click

from pipeline.cli.command import (
    VERBOSE,
    json_option,
    main,
    out_option,
    print_json,
    verbose_option,
)

MAX_DAYS = 14  # half of the time for which lists and events are kept


def _seconds(ctx: click.Context, option: click.Parameter, text: str) -> int:
    from trainer_modules.configs.duration import duration_seconds

    if re.fullmatch(r"[0-9]{1,7}[smhd]", text):
        seconds = duration_seconds(text)
        if 0 < seconds <= MAX_DAYS * 86_400:
            return seconds
    raise click.BadParameter(
        f"{text[:20]!r}: expected a time such as 30m, 6h or 1d, at most {MAX_DAYS}d"
    )


@main.command("off-policy")
@click.option(
    "--version",
    "number",
    required=True,
    type=click.IntRange(1),
    help="Number of the version to estimate.",
)
@click.option(
    "--within",
    metavar="TIME",
    default="1d",
    show_default=True,
    callback=_seconds,
    help="For how long after a list an event of an item counts for it.",
)
@out_option
@json_option
@verbose_option
@click.pass_context
def off_policy(
    ctx: click.Context, number: int, within: int, out: Path, as_json: bool
) -> None:
    """Estimate what a version would earn, without showing its lists.

    The estimates are made from lists that 'marquee serve --log-lists 1 --explore 3/20'
    has logged, and from the events that it has received (docs/off-policy.md).
    """
    import dataclasses
    import time

    from pipeline import machine
    from pipeline.views.terminal import hidden_output
    from pipeline.views.terminal.off_policy import lines

    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    with hidden_output(VERBOSE in ctx.meta):
        from pipeline.off_policy.judge import judge

        found = judge(out, number, within, machine.cores(), time.time())
    if as_json:
        print_json(dataclasses.asdict(found))
    else:
        for line in lines(found):
            click.echo(line)
