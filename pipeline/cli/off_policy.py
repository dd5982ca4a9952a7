"""``off-policy``: what a model would earn, from lists of other versions."""

import os
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
from pipeline.cli.within_option import online_settings, within_option


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
@within_option
@out_option
@json_option
@verbose_option
@click.pass_context
def off_policy(
    ctx: click.Context,
    number: int | None,
    run_id: str | None,
    within: int | None,
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
    _, window = online_settings(out, within)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    with hidden_output(VERBOSE in ctx.meta):
        from pipeline.off_policy.judge import judge
        from pipeline.off_policy.run_candidates import judge_run
        from pipeline.off_policy.subject import version_of
        from pipeline.runs import finished_runs

        how = (window, machine.cores(), time.time())
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
