"""The ``marquee`` command, with one file per group of subcommands."""

# Importing a module registers its subcommands.
from pipeline.cli import (  # noqa: F401
    before_run,
    clean,
    forget,
    live_model,
    off_policy,
    online,
    past_runs,
    report,
    run,
    serve,
    skew,
    tune,
)
from pipeline.cli.command import main

__all__ = ["main"]
