"""The ``marquee`` command, a file for each kind of its commands."""

# Each adds its commands.
from pipeline.cli import (  # noqa: F401
    cleaning,
    data,
    live,
    looking,
    report,
    running,
    serving,
)
from pipeline.cli.command import main

__all__ = ["main"]
