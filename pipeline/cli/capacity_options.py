"""Options for how many steps run at once."""

from collections.abc import Callable

import click


def capacity_options(command: Callable[..., None]) -> Callable[..., None]:
    """Adds ``--jobs`` and ``--max-memory``."""
    jobs = click.option(
        "--jobs",
        metavar="N|auto",
        help="Number of steps that run at once; auto is as many as cores and memory"
        " allow. [auto]",
    )
    memory = click.option(
        "--max-memory",
        metavar="SIZE",
        help="Memory for steps that run at once, e.g. 8GB. [80% of the machine's]",
    )
    return jobs(memory(command))
