"""Copies the rows of each day of a database to a span, once.

A span must not change after a model has learned from it. So a day is read when it is
over, and never again; the predicate of the query limits what the database reads.
"""

import contextlib
import datetime
from pathlib import Path

import msgspec

from components import durable_files
from components.ratings_example_gen.spans import MARKER, SpansError
from pipeline.config.errors import ConfigError
from pipeline.config.sections import PipelineConfig
from pipeline.datasets import Progress
from pipeline.datasets.databases.copy_rows import NoRowsError, copy_rows
from pipeline.runs.source_files import END, SNAPSHOTS, SPAN_RECORD, START, spans_folder

_DAY = datetime.timedelta(days=1)


def copy_days(config: PipelineConfig, today: datetime.date, progress: Progress) -> Path:
    """Copies the days of the window that have not been copied yet.

    Args:
        config: The settings; ``data.source`` is a query with ``{start}`` and ``{end}``.
        today: The current day in UTC, which is not copied.
        progress: Called with the bytes read.

    Returns:
        The folder of the spans.

    Raises:
        ConfigError: If the window has no first day.
        DatasetError: If the rows of a day cannot be read to their end. Earlier days are
            kept.
        SpansError: If the query does not contain ``{start}`` and ``{end}``.
    """
    source, window = config.data.source, config.retrain.window
    if START not in source or END not in source:
        raise SpansError(
            f"{source}: a span of a database is a day of a query. Add the day's limits "
            f"to it, as in #SELECT * FROM ratings WHERE at >= {START} AND at < {END}"
        )
    if window == "all":
        raise ConfigError(
            None,
            None,
            "retrain.window",
            "'all' does not state the first day to read from a database; set "
            "'N days', as in '90 days'",
        )
    folder = spans_folder(Path(config.out, SNAPSHOTS), source)
    for age in range(int(window.split()[0]), 0, -1):
        _copy_day(source, folder, today - age * _DAY, progress)
    return folder


def _copy_day(
    source: str, folder: Path, day: datetime.date, progress: Progress
) -> None:
    span = folder / day.isoformat()
    if (span / MARKER).exists():
        return
    limits = {START: day, END: day + _DAY}
    for name, limit in limits.items():
        source = source.replace(name, f"'{limit.isoformat()} 00:00:00'")
    with contextlib.suppress(NoRowsError):  # a day without ratings is an empty span
        snapshot = copy_rows(source, span / "ratings.parquet", progress)
        durable_files.write(span / SPAN_RECORD, msgspec.json.encode(snapshot))
    durable_files.write(span / MARKER, "")
