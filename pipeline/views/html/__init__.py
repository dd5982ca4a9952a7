"""The report of a run: a single HTML file that needs only a browser."""

from pathlib import Path

from components import durable_files
from pipeline import tfx_imports

REPORT_FILE = "report.html"


def path_of(out: Path, run_id: str) -> Path:
    """Returns the path of a run's report, whether or not it exists."""
    return out / "runs" / run_id / REPORT_FILE


def write(out: Path, run_id: str | None) -> Path:
    """Writes the report of a run, replacing an older one.

    Args:
        out: Folder of the runs.
        run_id: ID of the run; None for the newest.

    Returns:
        The path of the report.

    Raises:
        RunNotFoundError: If no such run has finished.
        OSError: If the report cannot be written; an older one is kept.
    """
    # Altair and TensorFlow's session take a second to import, and Altair another one
    # for a part that TFX imports as well.
    with tfx_imports.quick():
        from pipeline.views.html.page import render
        from pipeline.views.html.report_contents import gather

    contents = gather(out, run_id)
    path = path_of(out, contents.run.run.id)
    durable_files.write(path, render(contents))
    return path
