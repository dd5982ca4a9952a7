"""What a person sees in a terminal: a file for each thing that is shown."""

from pipeline.views.terminal.progress import PROGRESS_LOGGER, RunView
from pipeline.views.terminal.run_result import (
    LEADERBOARD_METRICS,
    print_nothing_new,
    print_run,
)
from pipeline.views.terminal.terminal import (
    Terminal,
    captured_output,
    error_text,
    hidden_output,
    inert,
    open_console,
)

__all__ = [
    "LEADERBOARD_METRICS",
    "PROGRESS_LOGGER",
    "RunView",
    "Terminal",
    "captured_output",
    "error_text",
    "hidden_output",
    "inert",
    "open_console",
    "print_nothing_new",
    "print_run",
]
