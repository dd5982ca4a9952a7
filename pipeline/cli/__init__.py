"""The ``marquee`` command, a file for each kind of its commands."""

from pipeline.cli import data, live, report, running  # noqa: F401, each adds its commands
from pipeline.cli.command import main

__all__ = ["main"]
