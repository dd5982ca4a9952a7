"""The command that finds a model's settings."""

from typing import Any

import click

from pipeline import exit_codes
from pipeline.cli.command import main, read_config, run_options
from pipeline.cli.run import DATA_HELP, started, write_studies


@main.command()
@click.option("--data", metavar="NAME|PATH|URL", help=DATA_HELP)
@click.option("--trials", metavar="N", help="Number of trials of each model.  [20]")
@click.option(
    "--budget",
    metavar="TIME",
    help="Time for the trials of each model, such as 90s, 30m or 2h.",
)
@click.option(
    "--space", metavar="FILE", help="YAML file with the values to try (docs/tuning.md)."
)
@run_options
@click.pass_context
def tune(
    ctx: click.Context,
    /,
    trials: str | None,
    budget: str | None,
    space: str | None,
    settings: tuple[str, ...],
    **options: Any,
) -> None:
    """Find better settings of the models for your data.

    The first trial has the settings as they are. The best settings are written to a
    configuration file; nothing is trained with them or deployed. If the command is
    interrupted, the same command continues.
    """
    from pipeline.config.tuning_spaces import spaces
    from pipeline.views.terminal import open_console
    from pipeline.views.terminal.tuning import print_tuned

    given = {"trials": trials, "budget": budget, "space": space}
    more = [f"tuner.{name}={text}" for name, text in given.items() if text is not None]
    config = read_config(settings=(*settings, *more), **options)
    spaces(config)  # what is wrong with them is reported before anything starts
    with started(ctx, config) as (run_id, view):
        from pipeline.runs import execute, tuned

        steps, outputs = execute.tune(config, run_id, view)
        models = tuned.collect_tuned(config, steps, outputs)
        written, report = write_studies(config, run_id, view, models)
    print_tuned(open_console(), config, models, steps, written, report)
    failed = any(step.error for step in steps)
    ctx.exit(exit_codes.FAILED if failed else exit_codes.OK)
