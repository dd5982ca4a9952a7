"""The report of a run, or of studies: one HTML file that needs only a browser."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from components import durable_files
from pipeline import tfx_imports

if TYPE_CHECKING:
    from pipeline.config.sections import PipelineConfig
    from pipeline.runs.tuned import TunedModel

REPORT_FILE, TUNING_FILE = "report.html", "tuning.html"


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


def write_tuning(
    config: "PipelineConfig", run_id: str, models: "Sequence[TunedModel]"
) -> Path:
    """Writes the report of studies, and returns its path.

    Args:
        config: The configuration that the studies began with.
        run_id: ID of the run.
        models: The studies.

    Raises:
        OSError: If the report cannot be written.
    """
    from pipeline.views.html.tuning.page import Studies, render

    path = Path(config.out) / "runs" / run_id / TUNING_FILE
    studies = Studies(run_id, config.data.source, config.gate.metric, models)
    durable_files.write(path, render(studies))
    return path
