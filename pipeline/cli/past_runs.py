"""Looking back: where a model came from, and two runs side by side."""

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
    "version",
    metavar="[live|VERSION]",
    default="live",
    shell_complete=completion.versions,
)
@out_option
@json_option
@verbose_option
def lineage(version: str, out: Path, as_json: bool) -> None:
    """Show from which data, code and settings a model came.

    The live one's, or that of a VERSION of `marquee versions`; as the ML Metadata store
    has it.
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
    """Put two runs side by side.

    Their data, the settings that differ, metrics with intervals, verdicts and seconds.
    RUN is an id, as `marquee show` has it.
    """
    from pipeline.runs import execute
    from pipeline.runs.compare import compare as compared
    from pipeline.views.terminal import open_console
    from pipeline.views.terminal.comparison import print_comparison

    found = compared(execute.read(out, first), execute.read(out, second))
    if as_json:
        print_json(found)
    else:
        print_comparison(open_console(), found)
