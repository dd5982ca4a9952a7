"""The report of a run, as a file to open in a browser."""

from pathlib import Path

import click

from pipeline.cli import completion
from pipeline.cli.command import VERBOSE, main, out_option, verbose_option


@main.command()
@click.argument(
    "run_id", metavar="[RUN]", required=False, shell_complete=completion.runs
)
@out_option
@verbose_option
@click.pass_context
def report(ctx: click.Context, run_id: str | None, out: Path) -> None:
    """Write the report of a run again: of RUN, else of the newest.

    One HTML file that needs nothing but a browser; each run writes its own. Prints its
    path.
    """
    from pipeline.views.terminal import hidden_output

    with hidden_output(VERBOSE in ctx.meta):
        from pipeline.views.html import write

        path = write(out, run_id)
    click.echo(path)
