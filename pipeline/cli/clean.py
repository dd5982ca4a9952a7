"""The ``clean`` command: removes leftovers of killed runs and data of old runs."""

import datetime
from pathlib import Path

import click

from pipeline.cli.command import (
    json_option,
    main,
    out_option,
    print_json,
    verbose_option,
)


def _age(
    ctx: click.Context, option: click.Parameter, text: str | None
) -> datetime.timedelta | None:
    from pipeline.runs.retention import parse_age

    try:
        return None if text is None else parse_age(text)
    except ValueError as error:
        raise click.BadParameter(str(error), ctx, option) from error


@main.command()
@click.option(
    "--keep-runs",
    metavar="N",
    type=click.IntRange(min=1),
    help="Also remove finished runs, except the newest N.",
)
@click.option(
    "--older-than",
    metavar="AGE",
    callback=_age,
    help="Also remove finished runs older than AGE, e.g. 90d, 36h or 12w. With both"
    " options, only runs that are older and not among the newest N.",
)
@click.option(
    "--yes/--dry-run",
    default=False,
    help="Remove the listed files, or only list them (the default).",
)
@out_option
@json_option
@verbose_option
def clean(
    keep_runs: int | None,
    older_than: datetime.timedelta | None,
    yes: bool,
    out: Path,
    as_json: bool,
) -> None:
    """List files that are no longer needed; with --yes, remove them.

    These are leftovers of killed or failed runs and, with --keep-runs or --older-than,
    the files of old runs. The live model, models that can be rolled back to, the cache
    of the kept runs and the lineage of all of them are always kept. The command fails
    while a run is in progress in the folder. Files that cannot be removed are reported
    at the end, after all others have been removed.
    """
    from pipeline.runs import cleanup, lock
    from pipeline.runs.finished_runs import RunNotFoundError
    from pipeline.views.terminal import open_console
    from pipeline.views.terminal.cleanup import print_leftovers, print_retired

    if not out.is_dir():
        raise RunNotFoundError(f"{out} is not a folder of runs; name one with --out")
    retired = None
    with lock.held(out / lock.LOCK_FILE, "run"):
        found = cleanup.leftovers(out)
        old = []
        if keep_runs is not None or older_than is not None:
            from pipeline.runs import retention

            retired = retention.plan(out, keep_runs or 1, older_than)
            old = cleanup.old_runs(retired)
            paths = {leftover.path for leftover in found}
            old = [leftover for leftover in old if leftover.path not in paths]
        if yes:
            if retired is not None:
                retention.forget(out, retired)
            found = [cleanup.remove(leftover, out / "live") for leftover in found]
            old = [cleanup.remove(leftover, out / "live") for leftover in old]
            if retired is not None:
                retention.shrink(out)
    if as_json:
        print_json([*found, *old])
    else:
        console = open_console()
        print_leftovers(console, found, removed=yes)
        if retired is not None:
            print_retired(console, retired, old, removed=yes)
    if left := [leftover for leftover in (*found, *old) if leftover.problem]:
        raise cleanup.NotRemovedError(left)
