"""Terminal output: one module for each thing that is printed."""

from pipeline.runs.step_log import PROGRESS_LOGGER
from pipeline.views.terminal.progress import RunView
from pipeline.views.terminal.run_result import print_run
from pipeline.views.terminal.terminal import (
    Terminal,
    captured_output,
    error_text,
    hidden_output,
    open_console,
)

__all__ = [
    "PROGRESS_LOGGER",
    "RunView",
    "Terminal",
    "captured_output",
    "error_text",
    "hidden_output",
    "open_console",
    "print_run",
]
