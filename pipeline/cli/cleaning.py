"""Making room: what killed runs left."""

from pathlib import Path

import click

from pipeline.cli.command import (
    json_option,
    main,
    out_option,
    print_json,
    verbose_option,
)


@main.command()
@click.option("--yes", is_flag=True, help="Remove it, rather than only list it.")
@out_option
@json_option
@verbose_option
def clean(yes: bool, out: Path, as_json: bool) -> None:
    """List what killed or failed runs left; with --yes, remove it.

    Nothing that is live, that a cached step needs, or that a log tells. While a run is
    at work in the folder nothing is listed: what it writes looks the same.
    """
    from pipeline import cleaning, run_lock
    from pipeline.console import open_console
    from pipeline.console.cleaning import print_leftovers
    from pipeline.runs import RunNotFoundError

    if not out.is_dir():
        raise RunNotFoundError(f"{out} is no folder of runs; name one with --out")
    with run_lock.held(out / run_lock.LOCK_FILE, "run"):
        found = cleaning.leftovers(out)
        if yes:
            for leftover in found:
                cleaning.remove(leftover, out / "live")
    if as_json:
        print_json(found)
    else:
        print_leftovers(open_console(), found, removed=yes)
