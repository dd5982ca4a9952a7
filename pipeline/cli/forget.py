"""The ``forget`` command: removes users or items from everything that Marquee keeps."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.cli.command import (
    json_option,
    main,
    out_option,
    print_json,
    verbose_option,
)
from pipeline.cli.run import execute_run

if TYPE_CHECKING:
    from pipeline.config.sections import PipelineConfig


@main.command()
@click.option(
    "--user",
    "users",
    multiple=True,
    metavar="ID",
    help="A user to forget. Repeatable.",
)
@click.option(
    "--item",
    "items",
    multiple=True,
    metavar="ID",
    help="An item to forget. Repeatable.",
)
@click.option(
    "--apply/--dry-run",
    "applies",
    default=False,
    help="Remove what is listed, or only list it (the default).",
)
@click.option(
    "--retrain",
    is_flag=True,
    help="With --apply: train anew, with the settings of the last run. Servers keep the"
    " model that they have in memory until that run ends.",
)
@click.option(
    "--rewrite-data",
    is_flag=True,
    help="With --apply: also rewrite files of data that are not in spans.",
)
@out_option
@json_option
@verbose_option
@click.pass_context
def forget(
    ctx: click.Context,
    users: tuple[str, ...],
    items: tuple[str, ...],
    applies: bool,
    retrain: bool,
    rewrite_data: bool,
    out: Path,
    as_json: bool,
) -> None:
    """List everything that holds the ID of a user or item; with --apply, remove it.

    These are rows of the data that the runs have read, the artifacts that were made
    from them, records and logs, and the versions that learned from them, which are
    withdrawn. A command that was interrupted can be repeated.
    """
    from pipeline.forgetting.ids import Ids
    from pipeline.forgetting.plan import check, make_plan
    from pipeline.runs import lock
    from pipeline.runs.finished_runs import RunNotFoundError
    from pipeline.views.terminal import open_console
    from pipeline.views.terminal.forgetting import as_record, print_plan

    if not users and not items:
        raise click.UsageError("Name whom to forget: --user ID or --item ID")
    if (retrain or rewrite_data) and not applies:
        raise click.UsageError("--retrain and --rewrite-data apply to --apply only")
    if not out.is_dir():
        raise RunNotFoundError(f"{out} is not a folder of runs; name one with --out")
    config = _last_settings(out) if retrain else None
    with lock.held(out / lock.LOCK_FILE, "run"):
        plan = make_plan(out, Ids(frozenset(users), frozenset(items)))
        if applies:
            from components.live_models import withdraw
            from pipeline.forgetting.apply import apply

            check(plan, rewrite_data)
            if not plan.is_empty:
                apply(out, plan, is_replaced_later=retrain)
            if not retrain:
                withdraw.end_serving(out / "live")
    if as_json:
        print_json(as_record(plan))
    else:
        print_plan(open_console(), plan, is_applied=applies)
    if config:
        # Whether a new model passed or not: nobody serves the old ones any more.
        ctx.call_on_close(lambda: withdraw.end_serving(out / "live"))
        _retrain(ctx, config)


def _last_settings(out: Path) -> "PipelineConfig":
    """Returns the settings of the newest finished run, for the folder as it is now."""
    import msgspec

    from pipeline.config.sections import PipelineConfig
    from pipeline.runs import finished_runs

    record = finished_runs.read(out)
    config = msgspec.convert(record.config, PipelineConfig)
    return msgspec.structs.replace(config, out=str(out))


def _retrain(ctx: click.Context, config: "PipelineConfig") -> None:
    from pipeline.retraining import retrain as retraining
    from pipeline.retraining.spans import TakenIn

    is_span = bool(TakenIn.read(Path(config.out)).spans)
    execute_run(ctx, config, retraining.plan(config, ()) if is_span else None)
