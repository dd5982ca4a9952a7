"""Commands about past runs: a result, a model's origin, a comparison."""

from pathlib import Path

import click

from pipeline.cli import completion
from pipeline.cli.command import (
    json_option,
    main,
    out_option,
    print_json,
    verbose_option,
)


@main.command()
@click.argument(
    "run_id", metavar="[RUN]", required=False, shell_complete=completion.runs
)
@out_option
@json_option
@verbose_option
def show(run_id: str | None, out: Path, as_json: bool) -> None:
    """Show the result of RUN, or of the newest run."""
    from pipeline.runs import finished_runs
    from pipeline.views import html
    from pipeline.views.terminal import open_console, print_run

    record = finished_runs.read(out, run_id)
    report = html.path_of(out, record.run.id)
    if as_json:
        print_json(record)
        return
    print_run(open_console(), record, report if report.is_file() else None)
    if run_id is None and (out / "lists").is_dir():
        from pipeline.views.terminal.online import print_live

        print_live(open_console(), out)


@main.command()
@click.argument(
    "version",
    metavar="[live|VERSION]",
    default="live",
    shell_complete=completion.versions,
)
@out_option
@json_option
@verbose_option
def lineage(version: str, out: Path, as_json: bool) -> None:
    """Show which data, code and settings a model was made from.

    The default is the live model; VERSION is one that `marquee versions` lists. The
    information comes from the ML Metadata store.
    """
    from pipeline import lineage as lineages
    from pipeline.views.terminal import open_console
    from pipeline.views.terminal.lineage import print_lineage

    found = lineages.of(out, version)
    if as_json:
        print_json(found)
    else:
        print_lineage(open_console(), found)


@main.command()
@click.argument("first", metavar="RUN", shell_complete=completion.runs)
@click.argument("second", metavar="RUN", shell_complete=completion.runs)
@out_option
@json_option
@verbose_option
def compare(first: str, second: str, out: Path, as_json: bool) -> None:
    """Compare two runs.

    Shows their data, the settings that differ, metrics with intervals, verdicts and
    durations. RUN is the ID of a run, as `marquee show` prints it.
    """
    from pipeline.runs import finished_runs
    from pipeline.runs.compare import compare as compare_runs
    from pipeline.views.terminal import open_console
    from pipeline.views.terminal.comparison import print_comparison

    found = compare_runs(
        finished_runs.read(out, first), finished_runs.read(out, second)
    )
    if as_json:
        print_json(found)
    else:
        print_comparison(open_console(), found)
