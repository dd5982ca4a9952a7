"""The ``marquee`` command, a file for each kind of its commands."""

from pipeline.cli import data, live, running, serving  # noqa: F401, adds commands
from pipeline.cli.command import main

__all__ = ["main"]
