"""The ``marquee`` command, a file for each kind of its commands."""

# Each adds its commands.
from pipeline.cli import data, live, looking, report, running, serving  # noqa: F401
from pipeline.cli.command import main

__all__ = ["main"]
