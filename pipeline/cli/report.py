"""The command that writes the report of a run."""

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
    """Write the report of RUN, or of the newest run, again.

    The report is a single HTML file, which each run writes at its end. Prints its path.
    """
    from pipeline.views.terminal import hidden_output

    with hidden_output(VERBOSE in ctx.meta):
        from pipeline.views.html import write

        path = write(out, run_id)
    click.echo(path)
