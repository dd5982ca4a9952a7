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
from pipeline.cli.run import execute_retraining, execute_run

if TYPE_CHECKING:
    from pipeline.forgetting.ids import Ids
    from pipeline.runs.record import RunRecord


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
    """Remove a user or an item from data, artifacts and models.

    Lists everything that holds the ID, and removes it with --apply: rows of the data
    that the runs have read, the artifacts that were made from them, records and logs,
    and the versions that learned from them, which are withdrawn. A command that was
    interrupted can be repeated.
    """
    from components.live_models import withdraw
    from pipeline.forgetting.apply import apply
    from pipeline.forgetting.ids import Ids
    from pipeline.forgetting.plan import check, make_plan
    from pipeline.runs import lock
    from pipeline.runs.finished_runs import RunNotFoundError
    from pipeline.views.terminal import open_console
    from pipeline.views.terminal.forgetting import as_record, print_plan

    if not users and not items:
        raise click.UsageError("Name whom to forget: --user ID or --item ID")
    if not all(text.strip() for text in (*users, *items)):
        raise click.UsageError("An ID is empty")
    if (retrain or rewrite_data) and not applies:
        raise click.UsageError("--retrain and --rewrite-data apply to --apply only")
    if not out.is_dir():
        raise RunNotFoundError(f"{out} is not a folder of runs; name one with --out")
    last = _last_run(out) if retrain else None
    ids = Ids(frozenset(users), frozenset(items))
    with lock.held(out / lock.LOCK_FILE, "run"):
        plan = make_plan(out, ids)
        if applies:
            check(plan, rewrite_data)
            if not plan.is_empty:
                apply(out, plan, is_replaced_later=retrain)
            if not retrain:
                withdraw.end_serving(out / "live")
    if as_json:
        print_json(as_record(plan))
    else:
        print_plan(open_console(), plan, is_applied=applies)
    if last:
        # Whether a new model passes or not, no server has the old ones afterwards.
        ctx.call_on_close(lambda: _end_serving(out, ids))
        _train_anew(ctx, last, out)


def _end_serving(out: Path, ids: "Ids") -> None:
    """Removes the old versions from servers, and the lists that they have made."""
    from components.live_models import withdraw
    from pipeline.forgetting.kept import remove_lists

    withdraw.end_serving(out / "live")
    remove_lists(out, ids)


def _last_run(out: Path) -> "RunRecord":
    """Returns the record of the newest run that reached a verdict.

    Raises:
        RunNotFoundError: If there is none.
    """
    from pipeline.retraining.retrain import VERDICTS
    from pipeline.runs import finished_runs

    for run_id in reversed(finished_runs.run_ids(out)):
        record = finished_runs.read(out, run_id)
        if record.run.status in VERDICTS:
            return record
    raise finished_runs.RunNotFoundError(
        f"No run in {out} reached a verdict, so there are no settings to train anew "
        "with: leave out --retrain, and start a run afterwards"
    )


def _train_anew(ctx: click.Context, last: "RunRecord", out: Path) -> None:
    """Runs the pipeline as the last run did, in the folder as it is now."""
    import msgspec

    from pipeline.config.sections import PipelineConfig

    config = msgspec.convert(last.config, PipelineConfig)
    config = msgspec.structs.replace(config, out=str(out))
    if last.spans:
        execute_retraining(ctx, config)
    else:
        execute_run(ctx, config)
