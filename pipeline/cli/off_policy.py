"""``off-policy``: what a model would earn, from lists of other versions."""

import os
import re
from pathlib import Path
from typing import Any

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
    type=click.IntRange(1),
    help="Number of the version to estimate. Without it, the candidates of a run are.",
)
@click.option(
    "--run", "run_id", metavar="ID", help="ID of the run. [default: the newest]"
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
    ctx: click.Context,
    number: int | None,
    run_id: str | None,
    within: int,
    out: Path,
    as_json: bool,
) -> None:
    """Estimate what a model would earn, without showing its lists.

    Without --version, the candidates of a run are estimated, beside the metric on the
    test split that its gate compared them by.

    The estimates are made from lists that 'marquee serve --log-lists 1 --explore 3/20'
    has logged, and from the events that it has received (docs/off-policy.md).
    """
    import dataclasses
    import time

    from pipeline import machine
    from pipeline.views.terminal import hidden_output
    from pipeline.views.terminal import off_policy as view

    if number is not None and run_id is not None:
        raise click.UsageError("--version and --run exclude each other")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    with hidden_output(VERBOSE in ctx.meta):
        from pipeline.off_policy.judge import judge
        from pipeline.off_policy.run_candidates import judge_run
        from pipeline.off_policy.subject import version_of
        from pipeline.runs import finished_runs

        how = (within, machine.cores(), time.time())
        found: Any
        if number is not None:
            found = judge(out, version_of(out, number), *how)
            lines = view.lines(found)
        else:
            found = judge_run(out, finished_runs.read(out, run_id), *how)
            lines = view.lines_of_run(found)
    if as_json:
        print_json(dataclasses.asdict(found))
    else:
        for line in lines:
            click.echo(line)
