"""What a person reads after a run: one HTML file that needs nothing but a browser."""

from pathlib import Path

from components import durable_files

REPORT_FILE = "report.html"


def path_of(out: Path, run_id: str) -> Path:
    """Where a run's report lies, written or not."""
    return out / "runs" / run_id / REPORT_FILE


def write(out: Path, run_id: str | None) -> Path:
    """Writes the report of a run, in place of an older one.

    Args:
        out: Folder of the runs.
        run_id: Of the run; None takes the newest.

    Returns:
        The file.

    Raises:
        RunNotFoundError: No such run has finished.
        OSError: It cannot be written; an older one stays as it is.
    """
    # Altair and TensorFlow take seconds to import.
    from pipeline.views.html.page import render
    from pipeline.views.html.report_contents import gather

    contents = gather(out, run_id)
    path = path_of(out, contents.run.run.id)
    durable_files.write(path, render(contents))
    return path
