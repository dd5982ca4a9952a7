"""Looking back: where a model came from, and two runs side by side."""

from pathlib import Path
from typing import Any

import click

from pipeline.cli.command import main, out_option, verbose_option

json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object."
)


@main.command()
@click.argument("version", metavar="[live|VERSION]", default="live")
@out_option
@json_option
@verbose_option
def lineage(version: str, out: Path, as_json: bool) -> None:
    """Show from which data, code and settings a model came.

    The live one's, or that of a VERSION of `marquee versions`; as the ML Metadata store
    has it.
    """
    from pipeline import lineage as lineages
    from pipeline.console import open_console
    from pipeline.console.lineage import print_lineage

    found = lineages.of(out, version)
    if as_json:
        _print_json(found)
    else:
        print_lineage(open_console(), found)


def _print_json(value: Any) -> None:
    import msgspec

    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2))
